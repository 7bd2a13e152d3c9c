"""Gate ``secrets``: no key, token, login or installer's configuration, in files, history, environment or labels."""

from collections.abc import Iterator
from typing import Any

from sekisho_builder.gates.accepting import Objection, settle
from sekisho_builder.gates.made import Made
from sekisho_builder.gates.subject import Answer, Subject
from sekisho_builder.reading.entries import Entry
from sekisho_builder.reading.shapes import configuration, in_environment, in_history, in_text


def no_secrets(subject: Subject) -> Answer:
    """Look at all that is in the image. Members of wheels that anybody can download hold no secret of ours (ADR 38).

    Such a file counts as looked at only if it is that member, byte for byte.
    """
    build = subject.build
    config, manifest = build.layout.config, build.layout.manifest
    objections = [*_in_files(build), *_in_config(config), *_in_labels("annotation", manifest.get("annotations"))]
    files = sum(entry.kind == "file" for _, entry in build.contents.entries())
    return settle(
        subject.definition,
        "secrets",
        objections,
        f"{files} files, {len(config.get('history') or ())} lines of history, environment and labels looked at",
        f"{len(build.traced.public)} of the files are of packages that anybody can download",
    )


def _in_files(build: Made) -> Iterator[Objection]:
    public = build.traced.public
    for number, layer in enumerate(build.contents.layers):
        for sighting in layer.sightings:
            what = f"/{sighting.path}"
            yield Objection(what, f"{what} seems to hold {sighting.shape}")
        for entry in layer.entries:
            what = f"/{entry.path}"
            unwatched = number >= build.below and entry.path in public
            if unwatched and entry.kind == "file" and entry.sha256 != public[entry.path]:
                yield Objection(what, f"{what} is not its package's, and was not looked into", acceptable=False)
            found = configuration(entry.path) if entry.kind not in {"folder", "device"} else None
            if found and not (unwatched and _is_inert(entry)):
                yield Objection(what, f"{what} is {found}")


def _is_inert(entry: Entry) -> bool:
    """Tell whether no program would look for its configuration there."""
    return "/site-packages/" in entry.path


def _in_config(config: dict[str, Any]) -> Iterator[Objection]:
    inner = config.get("config") or {}
    environment = dict(str(row).partition("=")[::2] for row in inner.get("Env") or ())
    for name, found in in_environment(environment):
        yield Objection(f"environment {name}", f"the variable {name} seems to hold {found}")
    for key in ("Entrypoint", "Cmd", "OnBuild", "Healthcheck"):
        for found in in_text(str(inner.get(key) or "")):
            yield Objection(key.lower(), f"{key} seems to hold {found}")
    for number, row in enumerate(config.get("history") or (), 1):
        text = " ".join(str(row.get(key) or "") for key in ("created_by", "comment", "author"))
        for found in in_history(text):
            yield Objection(f"history {number}", f"line {number} of the history seems to hold {found}")
    yield from _in_labels("label", inner.get("Labels"))


def _in_labels(kind: str, pairs: object) -> Iterator[Objection]:
    for name, value in pairs.items() if isinstance(pairs, dict) else ():
        for found in in_text(str(value)):
            yield Objection(f"{kind} {name}", f"the {kind} {name} seems to hold {found}")
