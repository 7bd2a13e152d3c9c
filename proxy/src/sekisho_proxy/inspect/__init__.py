"""A wheel opened hostilely: what it holds, and what does not add up."""
