"""Index pages: one value, two forms, prebuilt bytes."""
