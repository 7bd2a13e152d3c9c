"""Of the answers to match specs: what is approved stays, what policy would allow comes first, and what needs the fewest
approvals is found and offered.
"""

from types import SimpleNamespace

from sekisho.errors import UnresolvableError
from sekisho.model import Alternative, Change, Closure, Edge, Outcome
from sekisho_builder.conda.approvals import fewest_approvals
from sekisho_builder.conda.resolve import resolve_conda
from sekisho_builder.conda.suggesting import Present, instead, is_fewest, leading_to, otherwise, relaxed
from sekisho_builder.denials import name_denials
from sekisho_builder.stages.instead import joined
from tests.channels import Channel
from tests.records import TARGET, artifact, request, sha
from tests.unit.builder.conda.mount import desk, package

ALLOW, REVIEW, DENY = Outcome.ALLOW, Outcome.REVIEW, Outcome.DENY
APP1, APP2 = package("app", "1.0", "lib"), package("app", "2.0", "lib >=2", "extra")
LIB1, LIB2, LIB3 = package("lib", "1.0"), package("lib", "2.0"), package("lib", "3.0", "extra")
EXTRA = package("extra", "1.0")
ALL = (APP1, APP2, LIB1, LIB2, LIB3, EXTRA)
MAIN = Channel(ALL)


def saying(**said):
    """Foretell outcomes by name and version, as ``lib_3``; all else is allowed."""
    outcomes = {one.sha256: said.get(f"{one.name}_{one.version[0]}", said.get(one.name, ALLOW)) for one in ALL}
    return lambda files, _newest: {file.sha256: outcomes[file.sha256] for file in files}


def chosen(process, *specs, known=(), **said):
    """Return ``name version`` of what is resolved; ``known`` are the packages that are approved."""
    files = [one.artifact(source="main") for one in known]
    with desk(process, main=MAIN) as at, at.solver(*specs) as solver:
        part = resolve_conda(solver, at.offers(solver, files, saying(**said)))
    return {row.project: row.release for row in part.artifacts}


def test_what_is_approved_stays_where_it_can(process):
    assert chosen(process, "app") == {"app": "2.0", "lib": "3.0", "extra": "1.0"}
    assert chosen(process, "app", known=(LIB2,)) == {"app": "2.0", "lib": "2.0", "extra": "1.0"}
    assert chosen(process, "app", known=(LIB1,)) == {"app": "1.0", "lib": "1.0"}
    assert chosen(process, "app >=2", known=(APP1, LIB1))["lib"] == "3.0"
    assert chosen(process, "app", known=(LIB1, LIB2)) == {"app": "2.0", "lib": "2.0", "extra": "1.0"}


def test_what_is_approved_in_another_channel_is_not_there(process):
    other = LIB1.artifact(source="other")
    with desk(process, main=MAIN) as at, at.solver("app") as solver:
        assert at.offers(solver, [other]).approved() == {}


def test_what_policy_would_not_allow_is_used_only_if_nothing_else_fits(process):
    assert chosen(process, "app", lib_3=REVIEW)["lib"] == "2.0"
    assert chosen(process, "app", extra=REVIEW) == {"app": "1.0", "lib": "2.0"}
    assert chosen(process, "app >=2", extra=REVIEW)["extra"] == "1.0"
    assert chosen(process, "lib >=3", lib_3=DENY)["lib"] == "3.0"


def least(process, *specs, judged=(), held=frozenset(), **said):
    with desk(process, main=MAIN) as at, at.solver(*specs) as solver:
        offers = at.offers(solver, rate=saying(**said))
        return fewest_approvals(solver, offers, dict(judged), held=held, patience=60)


def test_the_fewest_approvals_are_found_and_proved(process):
    found = least(process, "app", app=REVIEW, lib=REVIEW, extra=REVIEW)
    assert found.proved
    assert found.needed == {APP1.path} | {one.path for one in (LIB1, LIB2) if one.path in found.needed}
    assert len(found.needed) == 2
    assert not least(process, "app", app_2=REVIEW, lib_3=REVIEW).needed


def test_where_every_answer_is_denied_the_least_denied_is_found_and_proved(process):
    """Denied, too young and not approved at once: what would have to change, denials before approvals."""
    found = least(process, "app >=2", extra=DENY, app=REVIEW, lib_2=DENY, lib_3=REVIEW)
    assert found.proved
    assert found.denied == {EXTRA.path}
    assert found.needed == {APP2.path, LIB3.path}
    now = Present(closure(APP2, LIB2, EXTRA), {APP2.path: REVIEW, LIB2.path: DENY, EXTRA.path: DENY})
    offered = instead(now, found, ("app >=2",))
    assert offered is not None
    assert (offered.deny, offered.review) == (("conda:extra 1.0",), ("conda:app 2.0", "conda:lib 3.0"))
    best = Present(closure(APP2, LIB3, EXTRA), {APP2.path: REVIEW, LIB3.path: REVIEW, EXTRA.path: DENY})
    assert is_fewest(best, found)
    assert instead(best, found, ("app >=2",)) is None


def test_what_is_judged_counts_and_a_name_that_is_held_needs_an_approval_in_any_version(process):
    judged = {LIB3.path: REVIEW, APP2.path: ALLOW, EXTRA.path: ALLOW}
    assert not least(process, "app", judged=judged.items()).needed
    assert len(least(process, "app", judged=judged.items(), held=frozenset({"lib"})).needed) == 1


def closure(*packages, direct=("app",)):
    edges = (Edge(project="conda:app", needs="conda:lib"), Edge(project="conda:lib", needs="conda:extra"))
    files = tuple(one.artifact(source="main") for one in packages)
    names = {f"conda:{one.name}" for one in packages}
    return Closure(
        request=sha("r"),
        target=TARGET,
        direct=(),
        conda=direct,
        resolver="test",
        artifacts=files,
        edges=tuple(edge for edge in edges if {edge.project, edge.needs} <= names),
    )


def test_what_needs_fewer_approvals_is_offered_with_what_changes(process):
    now = Present(closure(APP2, LIB3, EXTRA), {APP2.path: ALLOW, LIB3.path: REVIEW, EXTRA.path: REVIEW})
    found = least(process, "app", judged=now.said.items(), extra=REVIEW, lib_3=REVIEW)
    assert instead(now, found, ("app",)) == Alternative(
        closure=now.closure.digest(),
        conda=("app",),
        changes=(
            Change(project="conda:app", before="2.0", after="1.0"),
            Change(project="conda:extra", before="1.0"),
            Change(project="conda:lib", before="3.0", after="2.0"),
        ),
        fewest=True,
    )
    assert not is_fewest(now, found)


def test_a_closure_that_needs_the_fewest_is_said_to_and_nothing_is_offered(process):
    now = Present(closure(APP2, LIB2, EXTRA), {APP2.path: ALLOW, LIB2.path: ALLOW, EXTRA.path: REVIEW})
    found = least(process, "app >=2", judged=now.said.items(), extra=REVIEW)
    assert instead(now, found, ("app >=2",)) is None
    assert is_fewest(now, found)
    assert not is_fewest(now, found._replace(proved=False))


def test_what_still_needs_an_approval_is_named_as_people_name_it(process):
    now = Present(closure(APP2, LIB3, EXTRA), {APP2.path: REVIEW, LIB3.path: REVIEW, EXTRA.path: ALLOW})
    found = least(process, "app", judged=now.said.items(), app=REVIEW, lib_3=REVIEW)
    offered = instead(now, found, ("app",))
    assert offered is not None
    assert [name.partition(" ")[0] for name in offered.review] == ["conda:app"]


def test_a_spec_that_leads_to_an_exception_may_have_any_version(process):
    now = Present(closure(APP2, LIB3, EXTRA, direct=("app >=2", "lib")), {EXTRA.path: DENY})
    assert leading_to(now.closure, [EXTRA.path]) == {"app", "lib"}
    free = relaxed(now.closure.conda, frozenset({"app"}))
    assert free == ("app", "lib")
    found = least(process, *free, judged=now.said.items(), extra=DENY)
    offered = instead(now, found, now.closure.conda)
    assert offered is not None
    assert offered.conda == ("app==1.0", "lib")
    assert offered.changes[0] == Change(project="conda:app", before="2.0", after="1.0")


def test_what_nothing_fits_is_answered_with_what_to_ask_for_and_what_that_needs(process):
    found = least(process, "app", "lib <3", app=REVIEW)
    told = otherwise(found, ("app >=7", "lib <3"))
    assert told == "ask for 'app==2.0' in place of 'app >=7', which passes once somebody approves conda:app 2.0"
    assert otherwise(least(process, "app"), ("app >=7",)) == "ask for 'app==2.0' in place of 'app >=7'"


def test_alternatives_of_both_parts_are_one():
    conda = closure(APP2, LIB3)
    wheel = artifact("six", "1.0")
    both = conda.model_copy(update={"direct": ("six",), "artifacts": (*conda.artifacts, wheel)})
    judgement = SimpleNamespace(verdicts=[SimpleNamespace(sha256=wheel.sha256, outcome=REVIEW)])
    change = Change(project="conda:lib", before="3.0", after="2.0")
    mine = Alternative(
        closure=conda.digest(), conda=("app",), changes=(change,), review=("conda:app 2.0",), fewest=True
    )
    found = joined(both, judgement, mine, None)
    assert found is not None
    assert (found.requirements, found.conda, found.changes) == (("six",), ("app",), (change,))
    assert (found.review, found.deny, found.fewest) == (("conda:app 2.0", "six 1.0"), (), True)
    assert joined(both, judgement, None, None) is None


class Denying:
    """A policy that denies releases of some names, and all of others."""

    def denying(self, kind, name):
        return ("no-evil",) if kind == "conda" and name in {"evil", "old"} else ()

    def denial(self, kind, name):
        return "no-evil" if (kind, name) == ("conda", "evil") else None


def test_what_is_denied_by_name_is_said_with_what_to_ask_for():
    said = UnresolvableError("No candidates were found for old ==1.0.", where="match specs: old==1.0")
    asked = request(conda=("old==1.0", "evil"))
    told = name_denials(said, asked, Denying(), lambda name: {"old": ["1.2", "2.0"]}.get(name, []), "conda")
    assert told.what.endswith("\nrule no-evil denies releases of old")
    assert told.todo == "ask for old==1.2, which it allows"
    said = UnresolvableError("No candidates were found for evil *.")
    told = name_denials(said, asked, Denying(), lambda _: [], "conda")
    assert told.todo == "ask without evil"
    assert name_denials(UnresolvableError("nothing"), asked, Denying(), lambda _: [], "conda").todo == ""
