"""Pages of workspaces that do not enforce: what is approved, and whatever else the source lists and nothing bars.

They stand on a shelf of their own, and say in a header which mode they are of.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sekisho.policy import Door
from sekisho.policy.door import Admitted
from sekisho_proxy.exchange import Headers
from sekisho_proxy.flights import Flights
from sekisho_proxy.gate import Gate, View
from sekisho_proxy.pages.book import KIND, Book, moment
from sekisho_proxy.pages.built import BuiltPage
from sekisho_proxy.pages.tombstone import Refused, Why, tombstones
from sekisho_proxy.pages.value import FileRow, ProjectPage, release_order
from sekisho_proxy.refusal import Refusal, refusal_of
from sekisho_proxy.shelf import Shelf
from sekisho_proxy.upstream.listing import Listing

_MOST_ROWS = 50_000
MODE_HEADER = b"sekisho-mode"


class Sifted(NamedTuple):
    """A listing behind a door: what is approved, what else may be had, and of which releases nothing may be."""

    approved: Sequence[Admitted]
    others: Sequence[Admitted]
    barred: dict[str, Why]

    @property
    def all(self) -> list[Admitted]:
        """Return everything that is offered."""
        return [*self.approved, *self.others]


class RelaxedBook:
    """Prebuilt pages, each as long as its listing and the policy stay what they are."""

    def __init__(self, book: Book, gate: Gate) -> None:
        self._book = book
        self._gate = gate
        self._turn: object = None
        self._shelf = Shelf[BuiltPage](_MOST_ROWS)
        self._flights = Flights()

    async def close(self) -> None:
        """Stop what is being built."""
        await self._flights.cancel()

    async def project(self, view: View, listing: Listing, now: datetime) -> BuiltPage:
        """Return the page of the project that is listed."""
        turn = self._book.turn()
        if self._turn != turn:
            self._turn = turn
            self._shelf.clear()
        found = self._shelf.find((view, listing.project), now, made_of=listing)
        if found:
            return found
        key = view, listing.project, turn, id(listing)
        return await self._flights.once(key, lambda: self._make(view, listing, now))

    async def _make(self, view: View, listing: Listing, now: datetime) -> BuiltPage:
        turn = self._book.turn()
        sifted = await self.sift(view, listing, now)
        value = await asyncio.to_thread(self._value, view, listing, sifted)
        page = BuiltPage(value, headers=self.headers(view), refusal=self.refusal(view, listing.project, sifted, now))
        if self._turn == turn == self._book.turn():
            end = self._gate.door(view).next_expiry(KIND, listing.project, now)
            self._shelf.put((view, listing.project), page, end, weight=value.rows + 1, made_of=listing)
        return page

    def _value(self, view: View, listing: Listing, sifted: Sifted) -> ProjectPage:
        page = self._book.approved(view, listing.project, sifted.approved)
        offered = {row.artifact.release: () for row in sifted.all}
        why = next(iter(sifted.barred.values()), None)
        rules = tuple({one.rule for one in sifted.barred.values()})
        refused = Refused(listing.project, self._gate.ask(), why, sifted.barred, rules, offered)
        return page._replace(
            versions=tuple(sorted(offered, key=release_order)),
            files=(*page.files, *(_row(row) for row in sifted.others), *(tombstones(refused) if why else ())),
            status=listing.status if listing.files else page.status,
        )

    async def sift(self, view: View, listing: Listing, now: datetime) -> Sifted:
        """Ask the door about every file of a listing, off the event loop: there may be thousands."""
        approved = self._book.servable(view, listing.project, now)
        return await asyncio.to_thread(_sift, self._gate.door(view), listing, approved, now)

    def headers(self, view: View) -> Headers:
        """Return what says that a page is of no strict mode."""
        return ((MODE_HEADER, self._gate.mode(view).encode()),)

    def refusal(self, view: View, project: str, sifted: Sifted, now: datetime) -> Refusal | None:
        """Return what a page refuses because all is barred, or what ``enforce`` would, as nothing is approved."""
        if sifted.approved or not (sifted.others or sifted.barred):
            return None
        if not sifted.others:
            return refusal_of(view.workspace, KIND, project, next(iter(sifted.barred.values())).rule)
        if self._gate.mode(view) == "off":
            return None
        rule, _ = self._gate.door(view).why_not(KIND, project, now)
        return refusal_of(view.workspace, KIND, project, rule)._replace(served=True)


def _sift(door: Door, listing: Listing, approved: Sequence[Admitted], now: datetime) -> Sifted:
    names = {row.artifact.filename for row in approved}
    others, barred = [], {}
    for file in listing.files:
        artifact = listing.artifact(file)
        if artifact is None or file.filename in names:
            continue
        reason = door.barred(artifact, now)
        if reason is None:
            others.append(Admitted(artifact, door.snapshot.made, door.snapshot.made))
        else:
            barred[artifact.release] = Why(reason.rule, reason.evidence)
    had = {row.artifact.release for row in (*approved, *others)}
    left = sorted(barred.keys() - had, key=release_order, reverse=True)
    return Sifted(approved, others, {release: barred[release] for release in left})


def _row(row: Admitted) -> FileRow:
    """Say of a file what its source says, and nothing that only bytes could tell."""
    artifact = row.artifact
    return FileRow(
        filename=artifact.filename,
        url=f"../../files/{artifact.path}",
        sha256=artifact.sha256,
        size=artifact.size or None,
        uploaded=moment(artifact.uploaded) if artifact.uploaded else None,
        yanked=artifact.yanked,
        requires_python=artifact.index.get("requires-python"),
        metadata=artifact.index.get("core-metadata") if artifact.filename.endswith(".whl") else None,
    )
