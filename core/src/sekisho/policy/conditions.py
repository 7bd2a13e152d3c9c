"""The optional ``when`` of a rule: a CEL expression over a closed set of variables, checked and compiled once.

The library is only loaded where a policy has such an expression.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sekisho.model.match_spec import build_of

if TYPE_CHECKING:
    from sekisho.policy.rules.base import Case

LONGEST = 1000
BEFORE: Mapping[str, str] = {
    "kind": "STRING",
    "source": "STRING",
    "project": "STRING",
    "release": "STRING",
    "filename": "STRING",
    "build": "STRING",
    "channel": "STRING",
    "subdir": "STRING",
    "size": "INT",
    "age_days": "INT",
    "yanked": "BOOL",
    "direct": "BOOL",
    "approved_before": "BOOL",
    "workspace": "STRING",
}
"""What is known before an artifact was inspected. ``age_days`` is -1 where the source states no upload time.

``build``, ``channel`` and ``subdir`` are those of a conda package, and empty for any other file.
"""

AFTER: Mapping[str, str] = {
    "license": "STRING",
    "native": "BOOL",
    "files": "INT",
    "unpacked": "INT",
    "findings": "STRINGS",
    "publishers": "STRINGS",
}
"""What only the inspection tells. ``license`` is what the file states, or empty."""

Condition = Callable[["Case"], bool]


def check_condition(text: str, *, inspected: bool) -> None:
    """Raise ``ValueError`` unless ``text`` is a condition over the variables that are there at the time."""
    _compile(text, inspected=inspected)


def needs_facts(text: str) -> bool:
    """Tell whether a condition that holds together asks for what only the inspection tells."""
    try:
        _compile(text, inspected=False)
    except ValueError:
        return True
    return False


def condition(text: str) -> Condition:
    """Return what answers a condition; it raises ``ValueError`` where the expression fails."""
    program, boolean = _compile(text, inspected=True)

    def holds(case: "Case") -> bool:
        answer = program.eval(data=_values(case))
        if answer.type() != boolean:
            message = f"when: {answer.value()}"
            raise ValueError(message)
        return bool(answer.value())

    return holds


def _values(case: "Case") -> dict[str, Any]:
    artifact, facts, known = case.artifact, case.facts, case.known
    subject = (artifact.kind, artifact.project)
    uploaded, channel = artifact.uploaded, artifact.kind == "conda"
    values = {
        "kind": artifact.kind,
        "source": artifact.source,
        "project": artifact.project,
        "release": artifact.release,
        "filename": artifact.filename,
        "build": build_of(artifact) if channel else "",
        "channel": artifact.source if channel else "",
        "subdir": artifact.path.partition("/")[0] if channel else "",
        "size": artifact.size,
        "age_days": -1 if uploaded is None else (case.now - uploaded).days,
        "yanked": artifact.yanked is not None,
        "direct": subject in known.direct,
        "approved_before": subject in known.approved,
        "workspace": known.workspace,
    }
    if facts is not None:
        values |= {
            "license": facts.license_expression or facts.license_hint or "",
            "native": bool(facts.native),
            "files": facts.files,
            "unpacked": facts.unpacked,
            "findings": [finding.code for finding in facts.findings],
            "publishers": [f"{one.publisher}:{one.repository}" for one in facts.attestations],
        }
    return values


@lru_cache(maxsize=256)
def _compile(text: str, *, inspected: bool) -> tuple[Any, Any]:
    """Return (program, the type of a truth value); raise ``ValueError`` naming what is wrong in the expression."""
    from cel_expr_python import cel  # noqa: PLC0415 (10 MB of memory that most policies do not need)

    if len(text) > LONGEST:
        message = f"a condition has at most {LONGEST} characters"
        raise ValueError(message)
    types = {"STRING": cel.Type.STRING, "INT": cel.Type.INT, "BOOL": cel.Type.BOOL}
    types["STRINGS"] = cel.Type.List(cel.Type.STRING)
    names = {**BEFORE, **(AFTER if inspected else {})}
    try:
        program = cel.NewEnv(variables={name: types[kind] for name, kind in names.items()}).compile(text)
    except RuntimeError as error:
        said = " ".join(line.strip() for line in str(error).splitlines()[:1])
        message = f"not a condition: {said.partition('ERROR: ')[2] or said}"
        raise ValueError(message) from error
    if program.return_type() != cel.Type.BOOL:
        message = f"a condition is true or false, this is {program.return_type()}"
        raise ValueError(message)
    return program, cel.Type.BOOL
