"""The legacy JSON API: what PyPI serves at ``/pypi/<name>/json``, of approved files and in the same shape.

Some clients read hashes and requirements there. What is not known is ``null``, never guessed: a release's own words are
known once one of its wheels is here. ``vulnerabilities`` come with the snapshot; ``null`` is that nobody looked.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from packaging.version import InvalidVersion, Version

from sekisho.errors import CorruptError
from sekisho.model import Artifact
from sekisho.policy.door import Admitted
from sekisho.policy.snapshot import Snapshot
from sekisho_proxy.gate import Gate, View
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.inspect.metadata import described
from sekisho_proxy.pages.book import KIND, Book
from sekisho_proxy.pages.built import BuiltPage
from sekisho_proxy.pages.relaxed import RelaxedBook
from sekisho_proxy.pages.value import release_order
from sekisho_proxy.shelf import Shelf
from sekisho_proxy.upstream.listing import Listing

_MOST_ROWS = 20_000
"""Some 30 MB, at about 1.5 KB for a file in two codings."""

_UNKNOWN = ("description", "description_content_type", "project_urls", *described(b""))

_Key = tuple[View, str, str | None]


class LegacyBook:
    """Prebuilt pages of the legacy JSON API, each for all addresses of what it shows: those are its origins."""

    def __init__(self, book: Book, gate: Gate, holdings: Holdings) -> None:
        self._book = book
        self._gate = gate
        self._holdings = holdings
        self._turn: object = None
        self._shelf = Shelf[BuiltPage](_MOST_ROWS)

    def page(self, view: View, project: str, release: str | None, now: datetime) -> BuiltPage:
        """Return the page of a (normalised) project, or of one release of it. Its origin is the whole URL of a door.

        Raises ``NotAdmittedError`` for what the view does not have, ``NotHereError`` for what cannot be served now.
        """
        found = self._find((view, project, release), now)
        return found or self._make(view, project, release, self._book.offered(view, project, now), now)

    async def relaxed(
        self, view: View, listing: Listing, release: str | None, now: datetime, pages: RelaxedBook
    ) -> BuiltPage:
        """Return the same where the workspace does not enforce, of all that ``pages`` would list."""
        found = self._find((view, listing.project, release), now, made_of=listing)
        if found:
            return found
        sifted = await pages.sift(view, listing, now)
        refusal = pages.refusal(view, listing.project, sifted, now)
        more = {"headers": pages.headers(view), "refusal": refusal if refusal and refusal.served else None}
        return self._make(view, listing.project, release, sifted.all, now, made_of=listing, **more)

    def _make(
        self,
        view: View,
        project: str,
        release: str | None,
        offered: Sequence[Admitted],
        now: datetime,
        *,
        made_of: object = None,
        **more: Any,  # noqa: ANN401 (as BuiltPage takes it)
    ) -> BuiltPage:
        files = self._files(view, project, release, offered, now)
        chosen = _newest(files) if release is None else files[0].artifact.release
        key = view, project, release and chosen  # of a release's many spellings one page is kept
        found = self._find(key, now, made_of=made_of)
        if found:
            return found
        snapshot = self._gate.door(view).snapshot
        sequence = snapshot.sequence if view.as_of is None else view.as_of
        judged = made_of is None or any(
            row.artifact.release == chosen for row in self._book.servable(view, project, now)
        )
        weak = _against(snapshot, project, chosen) if judged else None
        value = LegacyPage(project, chosen, files, sequence, weak, release is None, self._holdings)
        page = BuiltPage(value, only_json=True, **more)
        end = self._gate.door(view).next_expiry(KIND, project, now)
        self._shelf.put(key, page, end, weight=len(files) + 1, made_of=made_of)
        return page

    def _files(
        self, view: View, project: str, release: str | None, offered: Sequence[Admitted], now: datetime
    ) -> Sequence[Admitted]:
        files = offered if release is None else _of(release, offered)
        if not files:
            where = f"{project.replace('-', '_')}-{release}.tar.gz" if release else ""
            raise self._gate.refusal(view, KIND, project, now, where=where)
        return files

    def _find(self, key: _Key, now: datetime, *, made_of: object = None) -> BuiltPage | None:
        turn = self._book.turn()
        if self._turn != turn:
            self._turn = turn
            self._shelf.clear()
        found = self._shelf.find(key, now, made_of=made_of)
        outdated = found and isinstance(found.value, LegacyPage) and found.value.could_tell_more()
        return None if outdated else found


class LegacyPage:
    """One page. ``whole`` has every release, the others only ``release``."""

    def __init__(
        self,
        project: str,
        release: str,
        admitted: Sequence[Admitted],
        sequence: int,
        weaknesses: list[dict[str, Any]] | None,
        whole: bool,  # noqa: FBT001 (as in the address)
        holdings: Holdings,
    ) -> None:
        self.project = project
        self.release = release
        self.admitted = admitted
        self.sequence = sequence
        self.weaknesses = weaknesses
        self.whole = whole
        self._holdings = holdings
        self._wheels = [row.artifact for row in admitted if _is_wheel_of(row.artifact, release)]
        self._wheel = self._find_wheel()

    def _find_wheel(self) -> Artifact | None:
        """Return a wheel of the release that is here, and so can tell of it."""
        return next((wheel for wheel in self._wheels if self._holdings.has(wheel.sha256)), None)

    def could_tell_more(self) -> bool:
        """Tell whether a wheel has come that tells of the release, and none was here before."""
        return self._wheel is None and self._find_wheel() is not None

    @property
    def rows(self) -> int:
        """Return how many rows there are to render, counting what is read from a wheel for many."""
        return len(self.admitted) + (1000 if self._wheel else 0)

    @property
    def names_origin(self) -> bool:
        """Tell that files have whole URLs."""
        return True

    def to_json(self, origin: str = "") -> bytes:
        """Render it."""
        releases: dict[str, list[dict[str, Any]]] = {}
        for row in sorted(self.admitted, key=lambda row: release_order(row.artifact.release)):
            releases.setdefault(row.artifact.release, []).append(_file(row, f"{origin}/pypi/files/"))
        value: dict[str, Any] = {"info": self._info(), "last_serial": self.sequence}
        if self.whole:
            value["releases"] = releases
        value |= {"urls": releases[self.release], "vulnerabilities": self.weaknesses}
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")

    def to_html(self, origin: str = "") -> bytes:
        """Render the only form there is."""
        return self.to_json(origin)

    def _info(self) -> dict[str, Any]:
        files = [row.artifact for row in self.admitted if row.artifact.release == self.release]
        needs = {artifact.index.get("requires-python") for artifact in files}
        yanks = [artifact.yanked for artifact in files]
        return {
            **dict.fromkeys(_UNKNOWN),
            "requires_python": needs.pop() if len(needs) == 1 else None,
            **self._described(),
            "name": self.project,
            "version": self.release,
            "yanked": None not in yanks,
            "yanked_reason": (yanks[0] or None) if None not in yanks else None,
        }

    def _described(self) -> dict[str, Any]:
        if self._wheel is None:
            return {}
        try:
            told = described(self._holdings.read_metadata(self._wheel))
        except CorruptError:
            return {}
        return {name: value for name, value in told.items() if value is not None}


def _file(admitted: Admitted, base: str) -> dict[str, Any]:
    artifact = admitted.artifact
    uploaded = (artifact.uploaded or admitted.first).astimezone(UTC).replace(tzinfo=None)
    wheel = artifact.filename.endswith(".whl")
    return {
        "comment_text": "",
        "digests": {"sha256": artifact.sha256},
        "filename": artifact.filename,
        "has_sig": False,
        "packagetype": "bdist_wheel" if wheel else "sdist",
        "python_version": artifact.filename.removesuffix(".whl").split("-")[-3] if wheel else "source",
        "requires_python": artifact.index.get("requires-python"),
        "size": artifact.size or None,
        "upload_time": uploaded.isoformat(timespec="seconds"),
        "upload_time_iso_8601": f"{uploaded.isoformat(timespec='microseconds')}Z",
        "url": base + quote(unquote(artifact.path), safe="/@"),  # as pip writes it, with which pip-tools compares
        "yanked": artifact.yanked is not None,
        "yanked_reason": artifact.yanked or None,
    }


def _against(snapshot: Snapshot, project: str, release: str) -> list[dict[str, Any]] | None:
    """Return what is known against a release as PyPI words it; pip-audit reads it so."""
    if snapshot.weaknesses is None:
        return None
    return [
        {
            "id": weak.names[0],
            "aliases": list(weak.names[1:]),
            "summary": weak.summary if weak.certain else f"It may concern this release: {weak.summary}",
            "details": "",
            "fixed_in": [fixed for fixed in weak.fixed if release_order(fixed)[0]],
            "link": None,
            "source": "osv",
            "withdrawn": None,
        }
        for weak in snapshot.weaknesses
        if (weak.project, weak.release) == (project, release)
    ]


def _is_wheel_of(artifact: Artifact, release: str) -> bool:
    return artifact.release == release and artifact.filename.endswith(".whl")


def _of(release: str, offered: Sequence[Admitted]) -> Sequence[Admitted]:
    """Return the files of a release, whichever of its spellings (PEP 440) was asked for."""
    exact = [row for row in offered if row.artifact.release == release]
    try:
        wanted = Version(release)
    except InvalidVersion:
        return exact
    return exact or [row for row in offered if release_order(row.artifact.release) == (True, wanted)]


def _newest(files: Sequence[Admitted]) -> str:
    """Return the release that the page is about: the newest that is final and not yanked, as far as there is one."""
    taken = {row.artifact.release for row in files if row.artifact.yanked is None}

    def rank(release: str) -> tuple[object, ...]:
        key = release_order(release)
        final = isinstance(key[1], Version) and not key[1].is_prerelease
        return release in taken, final, key

    return max((row.artifact.release for row in files), key=rank)
