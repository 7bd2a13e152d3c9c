"""What people ask with: files of requirements, projects, environments and locks, read into one value."""

from sekisho.wanted.files import read_wanted
from sekisho.wanted.lines import read_lines
from sekisho.wanted.value import Choice, Wanted

__all__ = ["Choice", "Wanted", "read_lines", "read_wanted"]
