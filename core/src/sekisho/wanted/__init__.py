"""What people ask with: files of requirements, projects, environments and locks, read into one value."""

from sekisho.wanted.files import read_text, read_wanted
from sekisho.wanted.lines import read_lines
from sekisho.wanted.specs import read_spec, read_specs
from sekisho.wanted.value import Choice, Named, Wanted

__all__ = ["Choice", "Named", "Wanted", "read_lines", "read_spec", "read_specs", "read_text", "read_wanted"]
