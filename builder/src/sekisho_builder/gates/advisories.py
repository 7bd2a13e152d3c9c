"""Gate ``advisories``: nothing is known against what is in the image that nobody answered for; unknown is not clean."""

from sekisho_builder.gates.accepting import Objection, settle
from sekisho_builder.gates.judged import judged
from sekisho_builder.gates.subject import Answer, Subject

_FILES = {"conda": "conda packages"}


def advisories(subject: Subject) -> Answer:
    """Ask the policy's rules that lean on advisories, as they answer now.

    Of what no data covers nothing is known. That is said, and for Debian packages it needs a reason in ``accept``.
    """
    build = subject.build
    leaning = [rule for rule in build.rules if rule.feeds]
    feeds = {feed for rule in leaning for feed in rule.feeds}
    names = {rule.id for rule in leaning} | {f"stale-{feed}" for feed in feeds}
    answer = judged(build, names)
    objections = list(answer.objections)
    notes = [
        f"{len(build.lock.artifacts)} locked files judged by {', '.join(rule.id for rule in leaning) or 'no rule'}"
    ]
    kinds = sorted({artifact.kind for artifact in build.lock.artifacts if leaning} - build.record.covered)
    if "conda" in kinds and "pypi" in build.record.covered:
        kinds.remove("conda")  # each that holds nothing known is unknown by its own verdict
        notes.append("conda packages are judged by the projects of the index that they hold or are known as")
    notes += [f"unknown: no advisory data covers the locked {_FILES.get(kind, 'files')}" for kind in kinds]
    if not leaning:
        notes.append("unknown: no rule asks")
    if "deb" not in build.record.covered:
        objections += [
            Objection(
                f"deb/{package.name}", f"unknown: no advisory data covers Debian's {package.name} {package.version}"
            )
            for package in build.system.packages
        ]
    return settle(subject.definition, "advisories", objections, *notes, *answer.notes)
