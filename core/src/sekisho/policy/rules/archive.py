"""Rules on what the file is, and on what the inspection found in it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sekisho.model import Outcome, Reason
from sekisho.policy.rules.base import BaseRule, Case


class SdistOnly(BaseRule):
    """The file is source that would have to be built, so its code would run at installation."""

    check: Literal["sdist_only"]
    then: Outcome = Outcome.DENY

    def look(self, case: Case) -> Reason | None:
        """Answer for anything of an index that is not a wheel."""
        if case.artifact.kind != "pypi" or case.artifact.filename.endswith(".whl"):
            return None
        build = case.facts.build if case.facts else None
        if build is None:
            return self.reason("no wheel for the target, only source")
        how = "a setup.py that names no build system" if build.legacy else build.backend
        return self.reason(f"no wheel for the target, only source, which {how} would build in the runner")


class NativeCode(BaseRule):
    """The archive carries compiled code."""

    inspects: ClassVar[bool] = True
    check: Literal["native_code"]

    def look(self, case: Case) -> Reason | None:
        """Answer with the first few binaries."""
        native = case.facts.native if case.facts else ()
        return self.reason(f"{len(native)} binaries, as {', '.join(native[:3])}") if native else None


class Inspection(BaseRule):
    """What the inspection found in the archive.

    ``record_mismatch``: RECORD, or a conda package's paths.json, does not list every file with its right hash;
    ``metadata_mismatch``: METADATA is not what the file's name, or what resolution saw, says, or index.json not what
    the channel says; ``archive_confusion``: two readers of the archive could see different files, it leads out of its
    folder, or it is a bomb; ``top_level_pth``: a ``.pth`` file, a ``sitecustomize`` or a part of the interpreter itself
    would run with every start of Python. Of conda packages: ``activation_script``: shells run it with the environment;
    ``menu``: it makes shortcuts; ``privileged_mode``: it would run as another user.
    """

    inspects: ClassVar[bool] = True
    finds: ClassVar[bool] = True
    check: Literal[
        "record_mismatch",
        "metadata_mismatch",
        "archive_confusion",
        "top_level_pth",
        "activation_script",
        "menu",
        "privileged_mode",
    ]

    def look(self, case: Case) -> Reason | None:
        """Answer with the findings of that name."""
        return _found(self, self.check, case)


class CondaInspection(BaseRule):
    """What the inspection found in a conda package, and what is denied unless the rule says otherwise.

    ``link_script``: clients run it when they install or remove the package; ``client_settings``, of wheels too: conda
    or pip read it, and may be led to another channel or index; ``depends_mismatch``: the channel states other
    dependencies than the package does, as channels do that mend their index afterwards.
    """

    inspects: ClassVar[bool] = True
    finds: ClassVar[bool] = True
    check: Literal["link_script", "client_settings", "depends_mismatch"]
    then: Outcome = Outcome.DENY

    def look(self, case: Case) -> Reason | None:
        """Answer with the findings of that name."""
        return _found(self, self.check, case)


def _found(rule: BaseRule, code: str, case: Case) -> Reason | None:
    if case.facts is None or not case.facts.findings:
        return None
    found = [finding.detail for finding in case.facts.findings if finding.code == code]
    return rule.reason("; ".join(found[:5])) if found else None


class Scanner(BaseRule):
    """A scanner noticed what it did not notice in the last approved release. It never denies: scanners cry wolf.

    Without an approved release to compare with it is silent, or with ``first: review`` shows all that was noticed. A
    file that the scanner could not look at is let pass by this rule, and the verdict says so.
    """

    inspects: ClassVar[bool] = True
    finds: ClassVar[bool] = True
    check: Literal["scanner"]
    then: Literal[Outcome.ALLOW, Outcome.REVIEW] = Outcome.REVIEW
    scanner: Annotated[str, Field(min_length=1, max_length=63)] = "guarddog"
    first: Literal["ignore", "review"] = "ignore"

    def look(self, case: Case) -> Reason | None:
        """Answer with what is new."""
        if case.facts is None or not case.facts.scans:
            return None
        scans = [scan for scan in case.facts.scans if scan.scanner == self.scanner]
        problems = [scan.problem for scan in scans if scan.problem]
        if problems:
            return self.reason(f"{self.scanner} did not look at it: {problems[0]}", Outcome.ALLOW)
        found = {code for scan in scans for code in scan.findings}
        earlier = case.known.scanned.get((case.artifact.kind, case.artifact.project), {}).get(self.scanner)
        if not found or (earlier is None and self.first == "ignore"):
            return None
        new = sorted(found - (earlier or frozenset()))
        before = (
            "which it did not in the last approved release" if earlier is not None else "and none was approved before"
        )
        return self.reason(f"{self.scanner} notices {', '.join(new[:5])}, {before}") if new else None
