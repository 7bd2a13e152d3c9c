"""Environment archives: a lock's conda environment as one file, for where an image cannot be, as a kernel."""

from sekisho_builder.archive.writing import Archived, write_archive

__all__ = ["Archived", "write_archive"]
