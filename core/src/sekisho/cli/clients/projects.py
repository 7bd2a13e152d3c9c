"""uv, poetry and pdm: clients with files of the user's and files of the project's."""

from collections.abc import Iterator
from pathlib import Path

from sekisho.cli.clients.door import (
    NAME,
    Client,
    ConfigFile,
    Door,
    Finding,
    Place,
    inside,
    quoted,
    read_toml,
    same_index,
    variables_of,
)

_REMOVE = "remove it"


# uv: the user's file, then the project's, whose indexes come first; no file can name an authority.

_UV_MORE = ("UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")


def _uv_own(place: Place) -> Path:
    named = place.environment.get("UV_CONFIG_FILE")
    return Path(named) if named else place.config / "uv" / "uv.toml"


def _uv_files(door: Door, place: Place, to: Path | None) -> list[ConfigFile]:
    lines = ["# else uv fetches an interpreter from outside where none fits", 'python-downloads = "never"']
    if door.upload:
        lines.append(f"publish-url = {quoted(door.upload)}")
    lines += ["", "[[index]]", f'name = "{NAME}"', f"url = {quoted(door.url)}", "default = true"]
    return [ConfigFile(to or _uv_own(place), "\n".join(lines) + "\n")]


def _uv_needs(door: Door, place: Place, to: Path | None) -> dict[str, str]:
    found = {"UV_CONFIG_FILE": str(to)} if to and to != place.config / "uv" / "uv.toml" else {}
    return found | ({"SSL_CERT_FILE": str(door.ca)} if door.ca else {})


def uv_variables(door: Door) -> dict[str, str]:
    """Return all settings as variables; an empty one counts as unset."""
    found = {"UV_DEFAULT_INDEX": door.url, "UV_PYTHON_DOWNLOADS": "never", **dict.fromkeys(_UV_MORE, "")}
    return found | ({"SSL_CERT_FILE": str(door.ca)} if door.ca else {})


def _uv_astray(door: Door, place: Place, to: Path | None) -> list[Finding]:
    def other(value: str) -> bool:
        return not same_index(value, door.url)

    more = dict.fromkeys((*_UV_MORE, "UV_TORCH_BACKEND", "UV_NO_CONFIG"), bool)
    found = variables_of(place, {**more, "UV_DEFAULT_INDEX": other, "UV_INDEX_URL": other})
    own = to or _uv_own(place)
    files = [*place.system("uv/uv.toml"), Path("/etc/uv/uv.toml"), *(folder / "uv.toml" for folder in place.above())]
    for path in files:
        if path != own:
            found += _uv_table(path, read_toml(path), door)
    for folder in place.above():
        path = folder / "pyproject.toml"
        found += _uv_table(path, inside(read_toml(path), "tool", "uv"), door)
    return found


def _uv_table(path: Path, table: object, door: Door) -> Iterator[Finding]:
    for where, part in ((str(path), table), (f"{path}, pip", inside(table, "pip"))):
        for key in ("index-url", "extra-index-url", "find-links", "torch-backend"):
            value = inside(part, key)
            if value and not same_index(value, door.url):
                yield Finding(where, f"{key} leads elsewhere", _REMOVE)
    yield from _other_sources(path, inside(table, "index"), door)


def _other_sources(path: Path, rows: object, door: Door) -> Iterator[Finding]:
    for row in rows if isinstance(rows, list) else ():
        if not same_index(inside(row, "url"), door.url):
            yield Finding(str(path), f"there is another index, {inside(row, 'name') or 'without a name'}", _REMOVE)


UV = Client(_uv_files, _uv_needs, _uv_astray)


# poetry 2: sources belong to projects alone, and a primary one takes the place of PyPI; authorities belong to users.


def _poetry_files(door: Door, place: Place, to: Path | None) -> list[ConfigFile]:
    source = ["[[tool.poetry.source]]", f'name = "{NAME}"', f"url = {quoted(door.url)}", 'priority = "primary"']
    files = [ConfigFile(to or place.folder / "pyproject.toml", "\n".join(source) + "\n", part=True)]
    if door.ca:
        folder = Path(place.environment.get("POETRY_CONFIG_DIR") or place.config / "pypoetry")
        trusted = f"[certificates.{NAME}]\ncert = {quoted(door.ca)}\n"
        files.append(ConfigFile(folder / "config.toml", trusted, part=True))
    return files


def _poetry_astray(door: Door, place: Place, to: Path | None) -> list[Finding]:
    path = to or place.folder / "pyproject.toml"
    rows = inside(read_toml(path), "tool", "poetry", "source")
    others = [row for row in rows if inside(row, "name") != NAME] if isinstance(rows, list) else []
    return list(_other_sources(path, others, door))


POETRY = Client(_poetry_files, lambda *_: {}, _poetry_astray)


# pdm 2: the user's file may be overruled by the project's sources; it asks PyPI for news of itself unless told not to.


def _pdm_own(place: Place) -> Path:
    named = place.environment.get("PDM_CONFIG_FILE")
    return Path(named) if named else place.config / "pdm" / "config.toml"


def _pdm_files(door: Door, place: Place, to: Path | None) -> list[ConfigFile]:
    lines = ["# pdm asks PyPI itself for newer versions of pdm", "check_update = false", "", "[pypi]"]
    lines += [f"url = {quoted(door.url)}", "ignore_stored_index = false"]
    if door.ca:
        lines.append(f"ca_certs = {quoted(door.ca)}")
    if door.plain:
        lines.append("verify_ssl = false")
    return [ConfigFile(to or _pdm_own(place), "\n".join(lines) + "\n")]


def _pdm_needs(door: Door, place: Place, to: Path | None) -> dict[str, str]:  # noqa: ARG001 (as all clients' are)
    return {"PDM_CONFIG_FILE": str(to)} if to and to != place.config / "pdm" / "config.toml" else {}


def pdm_variables(door: Door) -> dict[str, str]:
    """Return all settings as variables; for the authority there is none but ``SSL_CERT_FILE``."""
    return {"PDM_PYPI_URL": door.url, "PDM_CHECK_UPDATE": "0"}


def _pdm_astray(door: Door, place: Place, to: Path | None) -> list[Finding]:
    def on(value: str) -> bool:
        return value.lower() in {"1", "true", "yes", "on"}

    wrong = {
        "PDM_PYPI_URL": lambda value: not same_index(value, door.url),
        "PDM_IGNORE_STORED_INDEX": on,
        "PDM_CHECK_UPDATE": on,
    }
    found = variables_of(place, wrong)
    path = place.folder / "pyproject.toml"
    found += _other_sources(path, inside(read_toml(path), "tool", "pdm", "source"), door)
    project, own = place.folder / "pdm.toml", to or _pdm_own(place)
    for path in (project, *place.system("pdm/config.toml")):
        table = inside(read_toml(path), "pypi") if path != own else None
        for key, value in table.items() if isinstance(table, dict) else ():
            stronger = path == project and key in {"url", "ignore_stored_index"} and not same_index(value, door.url)
            if isinstance(value, dict) or stronger:
                found.append(Finding(str(path), f"pypi.{key} leads elsewhere", _REMOVE))
    return found


PDM = Client(_pdm_files, _pdm_needs, _pdm_astray)
