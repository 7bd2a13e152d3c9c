"""Gate ``licences``: the policy's rules on licences hold for what was locked, and for the system's packages."""

from collections.abc import Iterator, Sequence

from sekisho.policy.licences import satisfied
from sekisho.policy.rules import License
from sekisho_builder.gates.accepting import Objection, settle
from sekisho_builder.gates.judged import judged
from sekisho_builder.gates.made import Made
from sekisho_builder.gates.subject import Answer, Subject


def licences(subject: Subject) -> Answer:
    """Ask the policy, as it is now, for locked files; and its lists of licences for Debian packages.

    What it would have a person look at passes where a person approved the file. Debian packages of other licences, or
    of unknown ones, pass where the definition says why.
    """
    build = subject.build
    rules = [rule for rule in build.rules if isinstance(rule, License)]
    if not rules:
        return Answer(passed=True, evidence=("the policy has no rule on licences",))
    answer = judged(build, {rule.id for rule in rules})
    objections = [*answer.objections, *_of_debian(build, rules)]
    packages = len(build.system.packages)
    return settle(
        subject.definition,
        "licences",
        objections,
        f"{len(build.lock.artifacts)} locked files judged by {', '.join(rule.id for rule in rules)}",
        *answer.notes,
        f"{packages} Debian packages looked at" if packages else "no Debian package is in the image",
    )


def _of_debian(build: Made, rules: Sequence[License]) -> Iterator[Objection]:
    for package in build.system.packages:
        what = f"deb/{package.name}"
        bad = sorted({one for one in package.licences for rule in rules if not satisfied(one, rule.allow)})
        if not package.licences:
            yield Objection(what, f"the licence of Debian's {package.name} is unknown: no copyright file says it")
        elif bad:
            yield Objection(what, f"Debian's {package.name} names {', '.join(bad[:5])}, not among those allowed")
