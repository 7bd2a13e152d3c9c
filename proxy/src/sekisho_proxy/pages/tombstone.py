"""Tombstones: rows of a page that nobody can install, and that make pip and uv say why something is refused.

A 404 would send clients to their next index, and their words for 403 hide the reason. A yanked file (PEP 592) is left
alone by every resolver unless its exact version is asked for, so each tombstone is yanked and has a version that no
requirement pins:

- For pip, a *note* or a few: wheels of version ``9999!0+<words>``. pip prints the versions that it ignored because they
  are yanked, of the project in question and of no other. One more, that no Python meets, tells the whole address: pip
  prints what a version wants of Python, once for all pages that say the same.
- For uv, a row for each release that exists and is not offered, of version ``<release>+refused``. ``==<release>`` meets
  it and does not allow it, because what is yanked is allowed by its exact version only; uv prints the reason. Releases
  with the same reason become one line.

pip and pdm never see the latter, because their URLs end in no archive's name, and poetry does not because of the ``v``
before the version: those clients would take it for a transitive ``==``, and fail to download it.
docs/adr/0003-refusals-are-tombstones.md has what each client prints.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from packaging.utils import parse_wheel_filename

from sekisho.model import Artifact
from sekisho.policy import Door
from sekisho_proxy.gate import request_link
from sekisho_proxy.pages.value import FileRow, release_order
from sekisho_proxy.refusal import NOTE_EPOCH

_OTHER = re.compile(r"[^a-z0-9]+")
_IN_SPECIFIER = re.compile(r"[^\s;),#|]+")
_BELOW_ALL = "0.dev0"
"""A release below any other, for uv's ``<`` where no release is known."""
_LONGEST_WORDS = 180
_MOST_NOTES = 8
_MOST_NAMED = 3
_ASK = "open.this.page.to.ask"
_UPLOADED = "1980-01-01T00:00:00Z"  # before any date to which a client goes back


class Why(NamedTuple):
    """The rule that refuses, and a sentence."""

    rule: str
    sentence: str


class Refused(NamedTuple):
    """What a page explains.

    ``rest`` is why nothing else of the project can be had, ``None`` if all of it is offered. ``releases`` are those
    that are known to exist and are not offered, newest first; ``rules`` are rules that refuse some release, known or
    not. ``offered`` are the file names of what is offered, by release. ``ask`` is where a person asks.
    """

    project: str
    ask: str
    rest: Why | None
    releases: Mapping[str, Why]
    rules: Sequence[str] = ()
    offered: Mapping[str, Sequence[str]] = {}


def explain(
    door: Door,
    project: str,
    offered: Sequence[Artifact],
    known: Sequence[str],
    rest: Why,
    *,
    ask: str,
    now: datetime,
) -> Refused:
    """Work out what a page explains. ``known`` are the releases that exist, newest first, as far as anybody knows."""
    files: dict[str, list[str]] = {}
    for artifact in sorted(offered, key=lambda row: release_order(row.release), reverse=True):
        files.setdefault(artifact.release, []).append(artifact.filename)
    missing = [release for release in known if release not in files]
    whys = door.why_not_releases("pypi", project, missing, now)
    return Refused(
        project=project,
        ask=ask,
        rest=None if files and known and not missing else rest,
        releases={release: Why(*why) for release, why in whys.items()},
        rules=door.snapshot.policy.denying("pypi", project),
        offered=files,
    )


def denied_path(rule: str, ask: str) -> str:
    """Return the folder of the notes' URLs, which pip prints when someone insists on one."""
    return f"denied/{_OTHER.sub('-', rule.lower()).strip('-')}--ask-at-{quote(urlsplit(ask).netloc, safe='')}"


def tombstones(refused: Refused) -> tuple[FileRow, ...]:
    """Return the rows that explain what a page does not offer."""
    narrow = {release: targets for release, names in refused.offered.items() if (targets := _targets(names))}
    rows = []
    for number, (rule, words) in enumerate(_notes(refused, narrow)):
        rows.append(_note_row(refused, number, rule, words))
    if rows:
        rows += _address_row(refused)
    releases = refused.releases or ({_BELOW_ALL: refused.rest} if refused.rest else {})
    for release, why in releases.items():
        rows.append(_release_row(refused.project, release, "refused", _reason(refused, why)))
    for release, targets in narrow.items():
        said = f"{refused.project} {release} is approved, but only for {', '.join(targets)}. {_ask_at(refused)}"
        rows.append(_release_row(refused.project, release, "other.target", said))
    return tuple(rows)


def _reason(refused: Refused, why: Why) -> str:
    """Return what uv prints. Of a name that is wholly refused by one rule it is one text, and so one line."""
    if not refused.offered and refused.rest and why.rule == refused.rest.rule:
        why = refused.rest
    return f"Sekisho refused {refused.project}: {why.sentence} (rule {why.rule}). {_ask_at(refused)}"


def _ask_at(refused: Refused) -> str:
    return f"Ask at {request_link(refused.ask, refused.project)}"


def _release_row(project: str, release: str, label: str, reason: str) -> FileRow:
    version = f"{release}{'.' if '+' in release else '+'}{label}"
    return FileRow(
        filename=f"{_stem(project)}-v{version}-py0-none-any.whl",
        url=f"../../../denied/{project}/{quote(release, safe='!+')}",
        sha256="",
        size=0,
        uploaded=_UPLOADED,
        yanked=reason,
    )


def _note_row(refused: Refused, number: int, rule: str, words: str) -> FileRow:
    filename = f"{_stem(refused.project)}-{NOTE_EPOCH}!{number}+{words}-py3-none-any.whl"
    only = f"{refused.project} is approved for other targets only. {_ask_at(refused)}"
    return FileRow(
        filename=filename,
        url=f"../../../{denied_path(rule, refused.ask)}/{quote(filename, safe='')}",
        sha256="",
        size=0,
        uploaded=_UPLOADED,
        yanked=_reason(refused, refused.rest) if refused.rest else only,
    )


def _address_row(refused: Refused) -> Iterator[FileRow]:
    """Yield the row by which pip prints the whole address to ask at; nothing for one that no specifier can hold.

    ``===`` takes any text (PEP 440), which no Python is. ``#||`` makes it "or any Python" for pdm, which would stop at
    the text alone, and leaves the address what it is. poetry passes over a version that begins with ``v``.
    """
    link = f"{refused.ask}/requests/new" if refused.offered else request_link(refused.ask, refused.project)
    if _IN_SPECIFIER.fullmatch(link):
        note = _note_row(refused, 0, "ask", _ASK)
        filename = note.filename.replace(f"-{NOTE_EPOCH}!", f"-v{NOTE_EPOCH}!")
        url = note.url.rpartition("/")[0] + "/" + quote(filename, safe="")
        yield note._replace(filename=filename, url=url, requires_python=f"==={link}#||")


def _stem(project: str) -> str:
    return project.replace("-", "_")


def _notes(refused: Refused, narrow: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """Return the notes, each with its rule, as local version labels (PEP 440); the one for all the rest is last."""
    by_rule: dict[str, list[str]] = {rule: [] for rule in refused.rules}
    for release, why in refused.releases.items():
        by_rule.setdefault(why.rule, []).append(release)
    ask = _where(refused.ask)
    notes = [("other-target", f"{said}.{ask}") for said in _only_for(narrow)]
    if refused.rest is None:
        return notes[:_MOST_NOTES]
    by_rule.pop(refused.rest.rule, None)
    notes += [(rule, f"{_these(releases)}.refused.by.rule.{_words(rule)}.{ask}") for rule, releases in by_rule.items()]
    others = "other.releases." if refused.offered or notes else ""
    last = refused.rest.rule, f"{others}refused.by.rule.{_words(refused.rest.rule)}.{ask}"
    return [*notes[: _MOST_NOTES - 1], last]


def _words(text: str) -> str:
    """Return a text as part of a local version label: letters, digits and dots."""
    return _OTHER.sub(".", text.lower()).strip(".")[:_LONGEST_WORDS].strip(".")


def _where(ask: str) -> str:
    parts = urlsplit(ask)
    port = f".port.{parts.port}" if parts.port else ""
    return f"ask.at.{_words(parts.hostname or '') or 'your.administrator'}{port}"


def _these(releases: Sequence[str]) -> str:
    """Name releases, given newest first: each of a few, the oldest and the newest of many."""
    if not releases:
        return "some.releases"
    if len(releases) <= _MOST_NAMED:
        return _words(".and.".join(reversed(releases)))
    return _words(f"{len(releases)}.releases.from.{releases[-1]}.to.{releases[0]}")


def _only_for(narrow: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Say for which targets releases are offered; one note for each set of targets."""
    releases = sorted(narrow, key=lambda release: narrow[release])  # stable: the newest stays first
    return [
        f"{_these(list(group))}.approved.only.for.{_words('.or.'.join(targets))}"
        for targets, group in groupby(releases, key=lambda release: narrow[release])
    ]


def _targets(filenames: Sequence[str]) -> tuple[str, ...]:
    """Return for what the wheels of a release are, a few of many; nothing if one of the files is for any platform."""
    found = set()
    for name in filenames:
        if not name.endswith(".whl"):
            return ()
        tags = parse_wheel_filename(name)[3]
        if any(tag.platform == "any" and tag.abi == "none" and tag.interpreter.startswith("py3") for tag in tags):
            return ()
        python, abi, platforms = name.removesuffix(".whl").split("-")[-3:]
        platform = platforms.partition(".")[0]
        found.add(f"{python} {platform}" if abi in {python, "none"} else f"{python} {abi} {platform}")
    few = sorted(found)[:_MOST_NAMED]
    return (*few, f"{len(found) - len(few)} more") if len(found) > len(few) else tuple(few)
