"""When nothing fits because the policy denies releases: say so, and name the nearest that it does not deny."""

import re
from collections.abc import Container

from packaging.requirements import Requirement

from sekisho.errors import UnresolvableError
from sekisho.model import Outcome, Request, nearest, normalize_project
from sekisho.policy import Policy
from sekisho_builder.offers import Offers

_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*(?=[<>=!~,;`\s\[]|$)")


def name_denials(error: UnresolvableError, request: Request, policy: Policy, offers: Offers) -> UnresolvableError:
    """Return the error with what to do about it, if the resolver's derivation names projects of which any is denied.

    Denied releases are not among the candidates, so the resolver knows nothing of them.
    """
    named = dict.fromkeys(normalize_project("pypi", name) for name in _NAME.findall(error.what))
    denying = {name: rules for name in named if (rules := policy.denying("pypi", name))}
    if not denying:
        return error
    said = "; ".join(f"rule {', '.join(rules)} denies releases of {name}" for name, rules in denying.items())
    instead = [found for text in request.requirements if (found := _instead(text, denying.keys(), offers))]
    without = sorted(name for name in denying if ("pypi", name) in request.asked() and policy.denial("pypi", name))
    if instead:
        todo = f"ask for {', '.join(instead)}, which it allows"
    else:
        todo = f"ask without {', '.join(without)}" if without else "ask for other releases of what needs it"
    return UnresolvableError(f"{error.what}\n{said}", where=error.where, todo=todo)


def _instead(text: str, denied: Container[str], offers: Offers) -> str | None:
    """Return a direct requirement with the nearest release that the policy allows."""
    wanted = Requirement(text)
    name = normalize_project("pypi", wanted.name)
    if name not in denied:
        return None
    pinned = [each.version for each in wanted.specifier if each.operator == "=="]
    allowed = [release for release, said in offers.releases(name).items() if said is Outcome.ALLOW]
    near = nearest(pinned[0] if len(pinned) == 1 else None, allowed)
    return f"{name}=={near}" if near else None
