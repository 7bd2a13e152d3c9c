"""When nothing fits because the policy denies releases: say so, and name the nearest that it does not deny."""

import re
from collections.abc import Callable, Container, Iterable
from contextlib import suppress

from packaging.requirements import Requirement

from sekisho.errors import BadInputError, UnresolvableError
from sekisho.model import Kind, Request, nearest, normalize_project, spec_name
from sekisho.policy import Policy

_NAME = re.compile(r"[A-Za-z0-9_]+(?:[._-]+[A-Za-z0-9_]+)*(?=[<>=!~,;`\s\[]|$)")
_EXACT = re.compile(r"={1,2}\s*([0-9][A-Za-z0-9_.!+]*)")

Allowed = Callable[[str], Iterable[str]]
"""Returns the releases of a project that the policy allows."""


def name_denials(
    error: UnresolvableError, request: Request, policy: Policy, allowed: Allowed, kind: Kind = "pypi"
) -> UnresolvableError:
    """Return the error with what to do about it, if the resolver's derivation names projects of which any is denied.

    Denied releases are not among the candidates, so the resolver knows nothing of them.
    """
    denying = {name: rules for name in _named(error.what, kind) if (rules := policy.denying(kind, name))}
    if not denying:
        return error
    said = "; ".join(f"rule {', '.join(rules)} denies releases of {name}" for name, rules in denying.items())
    direct = request.conda if kind == "conda" else request.requirements
    instead = [found for text in direct if (found := _instead(text, kind, denying.keys(), allowed))]
    without = sorted(name for name in denying if (kind, name) in request.asked() and policy.denial(kind, name))
    if instead:
        todo = f"ask for {', '.join(instead)}, which it allows"
    else:
        todo = f"ask without {', '.join(without)}" if without else "ask for other releases of what needs it"
    return UnresolvableError(f"{error.what}\n{said}", where=error.where, todo=todo)


def _named(text: str, kind: Kind) -> Iterable[str]:
    """Yield each project that a derivation may name, once; most words name none that any rule knows."""
    for name in dict.fromkeys(_NAME.findall(text)):
        with suppress(BadInputError):
            yield normalize_project(kind, name)


def _instead(text: str, kind: Kind, denied: Container[str], allowed: Allowed) -> str | None:
    """Return a direct requirement with the nearest release that the policy allows."""
    name = spec_name(text) if kind == "conda" else normalize_project(kind, Requirement(text).name)
    if name not in denied:
        return None
    if kind == "conda":
        pinned = _EXACT.findall(text)
    else:
        pinned = [each.version for each in Requirement(text).specifier if each.operator == "=="]
    near = nearest(pinned[0] if len(pinned) == 1 else None, allowed(name))
    return f"{name}=={near}" if near else None
