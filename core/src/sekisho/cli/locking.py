"""Where a lock comes from: a request's approved closure, or what a tool answers from a workspace's door."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple, cast

from sekisho.cli.asking import OfChannels, declared, from_words
from sekisho.cli.clients.door import Place
from sekisho.cli.inferred import infer_workspace
from sekisho.client import PortalClient
from sekisho.errors import BadInputError, MissingToolError
from sekisho.lock import Answer, DoorAddress, Lock, ToLock, bind, check_same, to_pin
from sekisho.ports import Engine
from sekisho.settings import Settings
from sekisho.wanted import Choice

_GROUP = "sekisho.engines"
UNIFIED = "conda-lock"


class Named(NamedTuple):
    """What a person names to be locked, and by whom; ``target`` and workspace as the options say them."""

    files: tuple[Path, ...]
    specs: tuple[str, ...]
    engine: str | None
    options: Mapping[str, str | None]
    token: str | None


class Asking(NamedTuple):
    """Which engine asks which door, as whom, and what it believes."""

    engine: str
    door: DoorAddress
    token: str | None
    ca: Path | None


@dataclass(frozen=True)
class Found:
    """A lock, where its files lie by default, whose commit they are, and the unified lock if conda-lock wrote one."""

    lock: Lock
    folder: Path
    requester: str | None = None
    unified: str | None = None

    def answered_by(self, asking: Asking, portal: PortalClient) -> "Found":
        """Have conda-lock lock the very same packages again; raise ``RefusedError`` naming every difference."""
        if asking.engine != UNIFIED:
            raise BadInputError(
                f"{asking.engine} has nothing to resolve: the lock is what was approved",
                where="--engine",
                todo=f"leave it out, or use --engine {UNIFIED} to have the unified lock written by conda-lock itself",
            )
        asked = to_pin(self.lock).model_copy(update={"names": _names(portal)})
        answer = _ask(asked, asking)
        check_same(self.lock, answer)
        return replace(self, unified=answer.text)


def lock_request(portal: PortalClient, request_id: str) -> Found:
    """Return the lock of a request: the one on record, or one made now of what was approved for it."""
    return Found(Lock.parse(portal.lock_of(request_id), where=f"lock of request {request_id}"), Path())


def lock_file(settings: Settings, portal: PortalClient, named: Named) -> Found:
    """Have a tool answer from the door, and hold its answer to what is approved there."""
    place = Place.here()
    workspace = infer_workspace(settings, named.options["workspace"], place).value
    of_channels = OfChannels(named.specs, (), lambda: declared(portal))
    options = {"beside": None, **named.options}
    body = from_words(settings, place, (), named.files, Choice(), options, of_channels).body
    known = portal.channels()
    asked = ToLock(
        workspace=workspace,
        target=body["target"],
        requirements=tuple(body.get("requirements", ())),
        constraints=tuple(body.get("constraints", ())),
        conda=tuple(body.get("conda", ())),
        channels=tuple(body.get("channels") or known["channels"]),
        names=known["names"],
    )
    door = DoorAddress(settings.proxy, workspace)
    engine = named.engine or (UNIFIED if asked.conda else "uv")
    answer = _ask(asked, Asking(engine, door, named.token, settings.trusted_ca))
    bound = bind(answer, body.get("hashes", {}))
    given = Lock.parse(portal.lock(asked.plain(), bound.plain(), name=workspace), where="the portal's lock")
    return Found(given, Path(), unified=answer.text)


def _names(portal: PortalClient) -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(projects) for name, projects in portal.channels()["names"].items()}


def _ask(asked: ToLock, asking: Asking) -> Answer:
    """Ask the engine of this name; raise ``MissingToolError`` where the builder is not installed."""
    name = asking.engine
    if asked.conda and name != UNIFIED:
        raise BadInputError(
            f"{name} locks packages of an index alone", where=asked.conda[0], todo=f"use --engine {UNIFIED}"
        )
    point = next((point for point in entry_points(group=_GROUP) if point.name == name), None)
    if point is None:
        raise MissingToolError(
            f"{name} is not installed here", where="sekisho lock", todo="install sekisho-builder beside this command"
        )
    engine = cast("Engine", point.load())
    return engine(asked, asking.door.checked(), token=asking.token, ca=asking.ca)
