"""Conda packages, read safely: a ``.conda`` or ``.tar.bz2`` (CEP 35) as a stream, and what ``info/`` says (CEP 34).

Proxy and builder read packages by this alone, so that what was inspected is what is installed. An archive that two
readers could take for two things is refused with ``ConfusingError``.
"""

from sekisho.conda_archive.info import PackageInfo, PathEntry
from sekisho.conda_archive.members import read_info, read_members
from sekisho.conda_archive.places import is_link_script
from sekisho.conda_archive.tar import Member

__all__ = ["Member", "PackageInfo", "PathEntry", "is_link_script", "read_info", "read_members"]
