"""A request's status in lines for a person."""

from typing import Any

from sekisho.logs import block, printable


def asked_for(body: dict[str, Any]) -> list[str]:
    """Return the words of a request: match specs of channels, requirements of an index."""
    return [*(f"conda:{spec}" for spec in body.get("conda", ())), *body.get("requirements", ())]


def for_builds(body: dict[str, Any]) -> list[str]:
    """Return what a request names for builds from source, a line for each project."""
    dependencies, variables = body.get("extra_build_dependencies", {}), body.get("extra_build_variables", {})
    lines = []
    for project in sorted({*dependencies, *variables}):
        rows = (row if isinstance(row, str) else _named(row) for row in dependencies.get(project, ()))
        said = [*rows, *(f"{name}={value}" for name, value in variables.get(project, {}).items())]
        lines.append(f"to build {project} with: {', '.join(said)}")
    return lines


def _named(row: dict[str, Any]) -> str:
    free = row.get("match_runtime", row.get("match-runtime")) is False
    return f"{row.get('requirement', '')}{' (of any release, whatever is installed)' if free else ''}"


def go_on(request_id: str, problem: dict[str, str]) -> str:
    """Say what to do about a failed request, and how the same one goes on, unless only another one can succeed."""
    todo = problem.get("todo") or "mend the cause"
    anew = problem.get("code") == "unresolvable" or "ask again" in todo
    return todo if anew else f"{todo}; then go on with `sekisho status {request_id} --retry --wait`"


def row_of(status: dict[str, Any]) -> str:
    """Put a request into one line of a list."""
    asked = ", ".join(asked_for(status["request"]))
    return printable(f"{status['id']}  {status['state']:<10} {status['request']['requester']}: {asked[:80]}")


def describe(status: dict[str, Any], *, verdicts: bool = False) -> str:
    """Put a request's status into lines for a person."""
    asked = status["request"]
    lines = [
        printable(f"request {status['id']}: {status['state']}"),
        printable(f"  asked by {asked['requester']} for workspace {asked.get('workspace', 'everyone')}"),
        *_words(asked),
    ]
    if bound := status.get("bound"):
        lines.append(f"  bound by {bound['constraints']} constraints, and hashes of {bound['hashed']} projects")
    if closure := status.get("closure"):
        of_channels = closure.get("kinds", {}).get("conda", 0)
        more = f" ({of_channels} of channels)" if of_channels else ""
        lines.append(printable(f"  closure: {closure['packages']} packages{more}, {closure['digest']}"))
        lines += _builds(status)
    if counts := status.get("counts"):
        lines.append("  verdicts: " + ", ".join(f"{number} {outcome}" for outcome, number in counts.items()))
    if difference := status.get("difference"):
        lines.append(
            "  beside what is approved: " + ", ".join(f"{number} {what}" for what, number in difference.items())
        )
    for row in status.get("verdicts" if verdicts else "exceptions", ()):
        reasons = "; ".join(f"{r['rule']}: {r['evidence']}" for r in row["reasons"])
        lines.append(printable(f"    {row['outcome']:<6} {row['purl'].partition('?')[0]}{_of_channel(row)}  {reasons}"))
        if row.get("facts"):
            known = [f"{what} {told}" for what, told in row["facts"].items()]
            had = ", ".join(row.get("approved", ())) or "no release"
            lines.append(printable(f"           {', '.join(known)}; approved so far: {had}"))
    lines += [printable(f"  {line}") for line in status.get("ways", ())]
    lines += _said(status)
    if problem := status.get("problem"):
        lines.append(f"  failed in {printable(status['failed_stage'])}: {block(problem.get('title'))}")
        lines.append(f"  do now: {block(go_on(status['id'], problem))}")
    if approval := status.get("approval"):
        said = approval.get("reason") or "no reason given"
        who = approval["approved_by"] + (f" and {approval['seconded_by']}" if approval.get("seconded_by") else "")
        told = "".join(
            [f" for {', '.join(scope)}" if (scope := approval.get("scope")) else "",
             f" until {end}" if (end := approval.get("expires")) else ""]
        )  # fmt: skip
        lines.append(printable(f"  approved by {who}{told}: {said}"))
    if reason := status.get("denied"):
        lines.append(printable(f"  denied by {reason['by']}: {reason['reason']}"))
    if image := status.get("image"):
        lines.append(printable(f"  image: {image['registry']}/{image['repository']}@sha256:{image['manifest']}"))
    if kept := status.get("not_rebased"):
        lines.append(printable(f"  stays on its base since {kept['at'][:16]}Z: {kept['problem'].get('title')}"))
    lines.append(printable(f"  see {status['link']}"))
    return "\n".join(lines)


def _of_channel(row: dict[str, Any]) -> str:
    """Say which of a channel's files is meant: there may be many of a version."""
    return f" (build {row['build']}, channel {row['source']}, {row['subdir']})" if "build" in row else ""


def _words(asked: dict[str, Any]) -> list[str]:
    """Say what was asked for: of an index, of channels."""
    lines = []
    if asked.get("requirements"):
        lines.append(f"  requirements: {', '.join(asked['requirements'])}")
    if asked.get("conda"):
        places = ", then ".join(asked.get("channels", ())) or "every channel"
        lines.append(f"  of channels: {', '.join(asked['conda'])} (from {places})")
    lines += [f"  {line}" for line in for_builds(asked)]
    return [printable(line) for line in lines]


def _builds(status: dict[str, Any]) -> list[str]:
    """Say what is to be built from source, and what was."""
    lines = [
        f"  to be built from source: {row['project']}, with {', '.join(row['requires']) or 'nothing'}"
        f"{_extra(row)} ({row['packages']} packages)"
        for row in status["closure"].get("builds", ())
    ]
    for row in status.get("built", ()):
        differing = f"not reproducible, a second build differs in {', '.join(row['differing'][:5])}"
        told = "reproducible" if row["reproducible"] else differing
        lines.append(f"  built from {row['source']} in {row['seconds']} s: {row['filename']}{_extra(row)}, {told}")
    return [printable(line) for line in lines]


def _extra(build: dict[str, Any]) -> str:
    """Say what a request names for a build beside what its source asks for."""
    against = "".join(f", {name} {release} as installed" for name, release in build.get("built_with", {}).items())
    more = f", as asked also with {', '.join(build['extra'])}{against}" if build.get("extra") else ""
    variables = [f"{name}={value}" for name, value in build.get("variables", {}).items()]
    return more + (f", told {' '.join(variables)}" if variables else "")


def _said(status: dict[str, Any]) -> list[str]:
    """Say what people asked and answered, what was let in by breaking glass, and what was taken back."""
    lines = [printable(f"  {row['by']} {row['kind']}: {row['text']}") for row in status.get("conversation", ())]
    if first := status.get("first_approval"):
        lines.append(printable(f"  approved first by {first['by']}: {first['reason']}; a second approver has to"))
    for row in status.get("break_glass", ()):
        names = ", ".join(row["names"])
        lines.append(
            printable(f"  BREAK GLASS: {row['by']} let in {names} until {row['expires'][:16]}Z: {row['reason']}")
        )
    for row in status.get("revocations", ()):
        names = ", ".join(row["names"][:5])
        lines.append(printable(f"  revoked by {row['by']} on {row['at'][:10]}: {names}: {row['reason']}"))
    return lines
