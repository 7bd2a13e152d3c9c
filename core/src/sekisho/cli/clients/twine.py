"""twine, towards the in-house index: what is uploaded must not leave the house either."""

from pathlib import Path

from sekisho.cli.clients.door import NAME, Client, ConfigFile, Door, Finding, Place, plain, variables_of
from sekisho.errors import BadInputError


def _upload(door: Door) -> str:
    if not door.upload:
        raise BadInputError(
            "nothing says where the in-house index takes uploads",
            todo="set SEKISHO_UPLOAD_URL, or name it with --upload",
        )
    return door.upload


def _files(door: Door, place: Place, to: Path | None) -> list[ConfigFile]:
    section = [f"repository = {_upload(door)}", *([f"ca_cert = {plain(door.ca)}"] if door.ca else [])]
    lines = ["[distutils]", "index-servers =", "    pypi", f"    {NAME}", ""]
    lines += ["# what twine means when it is told nothing; no password is kept here", "[pypi]", *section, ""]
    lines += [f"[{NAME}]", *section]
    return [ConfigFile(to or place.home / ".pypirc", "\n".join(lines) + "\n", secret=True)]


def _astray(door: Door, place: Place, to: Path | None) -> list[Finding]:  # noqa: ARG001 (as all clients' are)
    wrong = {
        "TWINE_REPOSITORY_URL": lambda value: value != _upload(door),
        "TWINE_REPOSITORY": lambda value: value not in {"pypi", NAME},
        "TWINE_CERT": lambda value: door.ca is not None and value != str(door.ca),
    }
    return variables_of(place, wrong)


TWINE = Client(_files, lambda *_: {}, _astray)
