"""Names: of sources, projects, releases, workspaces; and package URLs."""

import re
from typing import Annotated, Literal
from urllib.parse import quote

from packaging.utils import canonicalize_name, canonicalize_version
from pydantic import AfterValidator, StringConstraints, ValidationInfo

from sekisho.errors import BadInputError

Kind = Literal["pypi", "conda", "huggingface"]
"""The three kinds of source: an index, a channel, a hub. The purl type of each is its name."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
"""The name of a workspace, source, image or rule: safe in a path, a URL and a container reference."""

ProjectName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A project's name, normalised by ``normalize_project``."""

EVERYONE: Slug = "everyone"
"""The default workspace."""

_PYPI_NAME = re.compile(r"^([A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9])$", re.IGNORECASE | re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII)
_CONDA_NAME = re.compile(r"^(?=.{1,64}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$", re.ASCII)
_OTHER_NAME = re.compile(r"^[A-Za-z0-9_.][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)?$", re.ASCII)


def normalize_project(kind: Kind, name: str) -> str:
    """Return the one spelling of a project name (PEP 503 for an index, CEP 26 for a channel).

    Raises ``BadInputError`` for a name that its kind does not allow.
    """
    pattern = {"pypi": _PYPI_NAME, "conda": _CONDA_NAME}.get(kind, _OTHER_NAME)
    if len(name) > 200 or not pattern.fullmatch(name) or {".", ".."} & set(name.split("/")):
        raise BadInputError(f"{name[:80]!r} is not a valid {kind} project name", todo="check the spelling")
    if kind == "conda":
        return name.lower()
    return canonicalize_name(name) if kind == "pypi" else name


def _is_normal(project: str, info: ValidationInfo) -> str:
    """Refuse another spelling of the record's ``project`` than that of its ``kind``; an empty one is none."""
    try:
        normal = normalize_project(info.data.get("kind", "pypi"), project) if project else ""
    except BadInputError as error:
        raise ValueError(error.what) from error
    if normal != project:
        message = f"{project!r} is not normalised, {normal!r} is"
        raise ValueError(message)
    return project


IS_NORMAL = AfterValidator(_is_normal)
NormalName = Annotated[ProjectName, IS_NORMAL]
"""A project's name in its one spelling: it is where approvals and statements are kept."""


def normalize_release(kind: Kind, release: str) -> str:
    """Return the one spelling of a release (PEP 440 for an index); what is none is left as it is."""
    try:
        return canonicalize_version(release, strip_trailing_zero=False) if kind == "pypi" else release
    except ValueError:  # packaging reads no number that Python does not
        return release


def purl(kind: Kind, project: str, release: str, filename: str = "") -> str:
    """Return the package URL of a release, or of one file of it (``file_name`` is the purl-spec's qualifier)."""
    base = f"pkg:{kind}/{_quoted(project, safe='/')}@{_quoted(release)}"
    return f"{base}?file_name={_quoted(filename)}" if filename else base


def conda_purl(source: str, path: str, project: str, release: str) -> str:
    """Return the package URL of a file of a channel, which differs by channel, subdir and build (purl-spec)."""
    subdir, _, filename = path.rpartition("/")
    stem = filename.removesuffix(".conda").removesuffix(".tar.bz2")
    told = {
        "build": stem.rpartition("-")[2] if "-" in stem else "",
        "channel": source,
        "subdir": subdir,
        "type": filename[len(stem) + 1 :],
    }
    qualifiers = "&".join(f"{key}={_quoted(value)}" for key, value in told.items() if value)
    return f"{purl('conda', project, release)}{'?' if qualifiers else ''}{qualifiers}"


def _quoted(text: str, safe: str = "") -> str:
    """Return ``text`` percent-encoded. Nearly every name needs none, and finding that out is ten times faster."""
    return text if _PLAIN.fullmatch(text) else quote(text, safe=safe)
