"""``sekisho policy``: check a policy, test it, and say what a change of it does, before it is merged."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sekisho.advisories import FEEDS, AdvisoryIndex
from sekisho.allowlist import KINDS, load_yaml, parse_tree
from sekisho.cli.frame import emit, json_option
from sekisho.errors import BadInputError, NotFoundError, SekishoError
from sekisho.keys import load_trust
from sekisho.logs import printable
from sekisho.model import EVERYONE, Approval, Artifact, Facts
from sekisho.policy.cases import Answer, PolicyCases, parse_cases, run_case
from sekisho.policy.difference import Benches, Change, compare, summarise
from sekisho.policy.document import Policy, parse_policy
from sekisho.policy.judge import prepare
from sekisho.policy.knowledge import Knowledge
from sekisho.policy.lines import parse_at
from sekisho.policy.schema import FILES, schema
from sekisho.revocations import FOLDER as REVOKED
from sekisho.revocations import parse_revocations, void
from sekisho.settings import load_settings
from sekisho.signing import Trust
from sekisho.sources import parse_sources
from sekisho.trees import read_tree
from sekisho.vex import FOLDER as VEX
from sekisho.vex import parse_vex

CASES = "policy-cases"
"""The folder of cases in an allowlists tree."""

_tree_argument = click.argument("tree", default=None, required=False)


@click.group()
def policy() -> None:
    """Check a policy, test it, and see what a change of it does."""


@policy.command("schema")
@click.argument("name", type=click.Choice(sorted(FILES)), default="policy")
def print_schema(name: str) -> None:
    """Print the JSON Schema of a file of the allowlists tree, or of an image's definition."""
    click.echo(json.dumps(schema(name), indent=2))


@policy.command()
@_tree_argument
@json_option
def check(tree: str | None, *, as_json: bool) -> None:
    """Read every file of TREE, a folder or a git revision, and name whatever is wrong with file and line.

    Signatures are checked where the file of trusted keys is at hand. The exit status is 1 if anything is wrong.
    """
    settings = load_settings()
    files = read_tree(tree or str(settings.allowlists), settings.allowlists)
    trust = load_trust(settings.trust_file) if settings.trust_file.exists() else None
    problems = list(_problems(files, trust))
    said = "signatures checked" if trust else "signatures not checked: there are no trusted keys here"
    result = {"files": len(files), "signatures": trust is not None, "problems": problems}
    emit(result, as_json=as_json, text=lambda: "\n".join([*map(_line, problems), f"{len(files)} files; {said}"]))
    _leave(bool(problems))


def _leave(status: bool) -> None:  # noqa: FBT001 (an exit status)
    if status:
        raise click.exceptions.Exit(1)


def _line(problem: Mapping[str, str]) -> str:
    return printable(f"{problem['where']}: {problem['title']}")


def _problems(files: Mapping[str, str | None], trust: Trust | None) -> Iterator[dict[str, str]]:
    for needed in ("policy.yaml", "sources.yaml"):
        if files.get(needed) is None:
            yield NotFoundError("the tree has no such file", where=needed).diagnostics()
    for path, text in sorted(files.items()):
        reader = _reader(path)
        if text is None:
            yield BadInputError("it is not a plain file, or too large", where=path).diagnostics()
        elif reader:
            try:
                reader(text, path)
            except SekishoError as error:
                yield error.diagnostics()
    if trust:
        try:
            revocations, unsigned = parse_revocations(files, trust=trust)
            found = void(parse_tree(files, trust=trust), revocations, files)
            refused = (*found.refused, *unsigned, *parse_vex(files, trust=trust)[1])
        except SekishoError as error:
            yield error.diagnostics()
        else:
            yield from (BadInputError(entry.why, where=entry.where).diagnostics() for entry in refused)


def _reader(path: str) -> Callable[[str, str], object] | None:
    """Return what reads a file of the tree by its place; nothing for one that is of no concern here."""
    place = path.partition("/")[0]
    if path == "policy.yaml":
        return lambda text, where: parse_policy(text, where=where)
    if path == "sources.yaml":
        return lambda text, where: parse_sources(text, where=where)
    if place in KINDS:
        return lambda text, where: parse_at(FILES["project"], text, where=where)
    if named := {VEX: "vex", REVOKED: "revocation"}.get(place):
        return lambda text, where: parse_at(FILES[named], text, where=where)
    return (lambda text, where: parse_at(PolicyCases, text, where=where)) if place == CASES else None


@policy.command()
@_tree_argument
@click.option("--cases", type=click.Path(path_type=Path), help="A folder of cases; default is policy-cases in TREE.")
@json_option
def test(tree: str | None, cases: Path | None, *, as_json: bool) -> None:
    """Judge the cases beside the policy, and say which come out otherwise than they must.

    Each is an artifact with its facts and what is known, and the outcome and rule to expect. The exit status is 1 if
    one comes out otherwise, or if there is none.
    """
    settings = load_settings()
    files = read_tree(tree or str(settings.allowlists), settings.allowlists)
    rules = _policy(files, tree or str(settings.allowlists))
    found = read_tree(str(cases), settings.allowlists) if cases else files
    texts = {path: text for path, text in found.items() if text and (cases or path.startswith(f"{CASES}/"))}
    answers = [
        run_case(rules, case, where=path)
        for path, text in sorted(texts.items())
        for case in parse_cases(text, where=path)
    ]
    if not answers:
        raise NotFoundError("there is no case to judge", where=CASES, todo="write one; see docs/how-to/policy.md")
    wrong = [answer for answer in answers if not answer.passed]
    result = {"cases": len(answers), "wrong": [_told(answer) for answer in wrong]}
    lines = [f"wrong: {answer.case.name}\n  {_told(answer)['said']}" for answer in wrong]
    emit(
        result,
        as_json=as_json,
        text=lambda: "\n".join([*lines, f"{len(answers)} cases, {len(wrong)} come out otherwise than they must"]),
    )
    _leave(bool(wrong))


def _told(answer: Answer) -> dict[str, Any]:
    wanted = answer.case.expect
    reasons = "; ".join(f"{reason.rule}: {reason.evidence}" for reason in answer.reasons)
    said = f"expected {wanted.outcome} by {wanted.rule or 'any rule'}, got {answer.outcome} by {reasons}"
    return {"name": answer.case.name, "outcome": answer.outcome, "said": printable(said)}


def _policy(files: Mapping[str, str | None], name: str) -> Policy:
    text = files.get("policy.yaml")
    if text is None:
        raise NotFoundError("there is no policy.yaml", where=name)
    return parse_policy(text, where=f"{name}: policy.yaml")


@policy.command()
@click.argument("old")
@click.argument("new", required=False)
@click.option("--facts", type=click.Path(exists=True, path_type=Path), help="Recorded facts, one JSON object a line.")
@click.option("--advisories", type=click.Path(exists=True, path_type=Path), help="An index, or OSV's all.zip.")
@click.option("--workspace", default=EVERYONE, show_default=True, help="The workspace that is judged for.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if any verdict changes.")
@json_option
def diff(
    old: str,
    new: str | None,
    facts: Path | None,
    advisories: Path | None,
    workspace: str,
    *,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Say what becomes of everything that is approved when the policy OLD becomes NEW.

    Each is a folder or a git revision; NEW is the allowlists tree as it lies there if left out. Files of which no
    facts are given are judged by their index entry alone. Feeds count as fresh: policies are compared, not their data.
    """
    settings = load_settings()
    new = new or str(settings.allowlists)
    before, after = (read_tree(name, settings.allowlists) for name in (old, new))
    artifacts = [*_artifacts(before), *_artifacts(after)]
    now = datetime.now(UTC)
    known = Knowledge(advisories=_advisories(advisories, now), workspace=workspace)
    recorded = _facts(facts) if facts else {}
    changes = compare(
        artifacts, recorded, _benches(_policy(before, old), known, now), _benches(_policy(after, new), known, now)
    )
    judged = len({one.sha256 for one in artifacts})
    result = {
        "summary": summarise(changes),
        "artifacts": judged,
        "without_facts": len({one.sha256 for one in artifacts} - set(recorded)),
        "blocked": [_row(change) for change in changes if change.blocks],
        "unblocked": [_row(change) for change in changes if not change.blocks],
    }
    emit(result, as_json=as_json, text=lambda: _page(result))
    _leave(exit_code and bool(changes))


def _page(result: Mapping[str, Any]) -> str:
    rows = [f"  {row['before']} -> {row['after']}  {row['purl']}  {row['said']}" for row in result["blocked"]]
    rows += [f"  {row['before']} -> {row['after']}  {row['purl']}" for row in result["unblocked"]]
    note = f"of {result['artifacts']} approved artifacts, {result['without_facts']} without recorded facts"
    return "\n".join([result["summary"], note, *map(printable, rows)])


def _row(change: Change) -> dict[str, Any]:
    said = "; ".join(f"{reason.rule}: {reason.evidence}" for reason in change.reasons)
    purl = change.artifact.purl.partition("?")[0]
    return {
        "purl": purl,
        "sha256": change.artifact.sha256,
        "before": change.before,
        "after": change.after,
        "said": said,
    }


def _benches(rules: Policy, known: Knowledge, now: datetime) -> Benches:
    return Benches(prepare(rules, known, now), prepare(rules, replace(known), now, inspected=False))


def _artifacts(files: Mapping[str, str | None]) -> Iterator[Artifact]:
    """Yield what the tree means to admit; whether it is validly signed does not matter for a comparison."""
    for path, text in sorted(files.items()):
        if path.partition("/")[0] in KINDS and text is not None:
            value = load_yaml(text, where=path)
            for row in (value.get("approvals") if isinstance(value, dict) else None) or ():
                bare = {key: part for key, part in row.items() if key != "signature"} if isinstance(row, dict) else row
                yield from Approval.parse(bare, where=path).artifacts


def _facts(path: Path) -> dict[str, Facts]:
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip():
            facts = Facts.parse_json(line, where=f"{path}, line {number}")
            found[facts.sha256] = facts
    return found


def _advisories(path: Path | None, now: datetime) -> AdvisoryIndex:
    """Return what is known, dated now; without a file nothing is known against anything."""
    fresh = dict.fromkeys(FEEDS, now)
    if path is None:
        return AdvisoryIndex((), {}, {}, covers=frozenset(KINDS), feeds=fresh)
    with path.open("rb") as file:
        is_zip = file.read(2) == b"PK"
        file.seek(0)
        if is_zip:
            from sekisho.advisories.zip_import import read_osv  # noqa: PLC0415 (its CVSS library is slow to load)

            return read_osv(file, where=str(path), now=now).advisories.dated(fresh)
        return AdvisoryIndex.load(file.read(), where=str(path)).dated(fresh)
