"""Records made by chance, small enough to read when one of them breaks a property."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from sekisho.model import Approval, Artifact, Closure, Edge, Facts, Finding, Request, Target
from sekisho.model.base import sha256_hex
from sekisho.policy.knowledge import Knowledge, Published, Status
from tests.advisories import CRITICAL, MEDIUM, index, osv
from tests.records import NOW, sha, statement

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
SHA256 = st.binary(max_size=2).map(sha256_hex)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
PROJECTS = st.sampled_from(["numpy", "six", "scikit-learn", "evil", "idna"])
RELEASES = st.sampled_from(["1.0", "1.10", "2.0rc1", "2.0+cu118", "2.0.post1"])
SLUGS = st.sampled_from(["everyone", "team-a", "team-b"])
TARGETS = st.builds(
    Target,
    python=st.sampled_from(["3.11.2", "3.12.10"]),
    arch=st.sampled_from(["x86_64", "aarch64"]),
    glibc=st.sampled_from(["2.28", "2.36"]),
)
LICENCES = st.sampled_from([None, "MIT", "GPL-3.0-only", "MIT OR GPL-3.0-only", "rubbish !"])


@st.composite
def artifacts(draw, project=PROJECTS):
    name, release = draw(project), draw(RELEASES)
    build = draw(st.integers(1, 3))
    filename = f"{name.replace('-', '_')}-{release}-{build}-py3-none-any.whl"
    return Artifact(
        source=draw(st.sampled_from(["pypi", "inside"])),
        project=name,
        release=release,
        filename=filename,
        path=f"packages/{filename}",
        sha256=sha(filename),
        size=draw(st.integers(0, 2**40)),
        uploaded=draw(st.none() | MOMENTS),
        yanked=draw(st.none() | TEXT),
        index=draw(st.dictionaries(TEXT, TEXT, max_size=2)),
    )


def facts_of(one):
    findings = st.builds(Finding, code=st.sampled_from(["record_mismatch", "top_level_pth"]), detail=TEXT)
    return st.builds(
        Facts,
        sha256=st.just(one.sha256),
        size=st.just(one.size),
        license_expression=LICENCES,
        license_hint=st.none() | TEXT,
        license_classifiers=st.lists(st.sampled_from(["MIT License", "BSD License", "Odd License"]), max_size=2).map(
            tuple
        ),
        native=st.lists(TEXT, max_size=2).map(tuple),
        requires=st.lists(TEXT, max_size=2).map(tuple),
        findings=st.lists(findings, max_size=2).map(tuple),
    )


@st.composite
def closures(draw):
    names = draw(st.lists(PROJECTS, max_size=5, unique=True))
    found = tuple(draw(artifacts(st.just(name))) for name in names)
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names)) if names else st.nothing()
    edges = draw(st.lists(pairs, max_size=6)) if names else []
    return Closure(
        request=draw(SHA256),
        target=draw(TARGETS),
        direct=tuple(draw(st.lists(st.sampled_from(names), max_size=2)) if names else ()),
        resolver=draw(TEXT),
        resolve_before=draw(st.none() | MOMENTS),
        artifacts=found,
        edges=tuple(Edge(project=above, needs=below) for above, below in edges),
    )


@st.composite
def approvals(draw, *, of=None):
    found = draw(st.lists(artifacts(), min_size=1, max_size=3)) if of is None else draw(of)
    return Approval(
        id=draw(st.integers(1, 10**6).map(lambda number: f"a{number}")),
        request=draw(TEXT),
        closure=draw(SHA256),
        policy=draw(SHA256),
        requested_by=draw(TEXT),
        approved_by=draw(TEXT),
        reason=draw(TEXT),
        scope=tuple(draw(st.lists(SLUGS, max_size=3))),
        at=draw(MOMENTS),
        expires=draw(st.none() | st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours))),
        artifacts=tuple(found),
    )


STATEMENTS = st.builds(
    statement,
    id=SLUGS,
    project=PROJECTS,
    releases=st.lists(RELEASES, min_size=1, max_size=2).map(tuple),
    impact=TEXT,
    scope=st.lists(SLUGS, min_size=1, max_size=2).map(tuple),
    at=MOMENTS,
    expires=st.none() | MOMENTS,
)

REQUESTS = st.builds(
    Request,
    requester=TEXT.filter(bool),
    workspace=SLUGS,
    requirements=st.lists(st.sampled_from(["numpy", "six>=1", "idna[x]; os_name == 'posix'"]), min_size=1).map(tuple),
    target=TARGETS,
    image=st.none() | SLUGS,
    resolve_before=st.none() | MOMENTS,
    reason=TEXT,
    at=MOMENTS,
)

WEAK = st.builds(
    lambda project, events, vector, number: osv(f"GHSA-{number}", project, events=events, vector=vector),
    PROJECTS,
    st.sampled_from([[{"introduced": "0"}], [{"introduced": "0"}, {"fixed": "2.0"}], [{"introduced": "1.5"}]]),
    st.sampled_from([None, MEDIUM, CRITICAL]),
    st.integers(0, 10**6),
)
KNOWN = st.builds(
    lambda records, project, release, days: Knowledge(
        advisories=index(*{one["id"]: one for one in records}.values()).dated({"osv": NOW - timedelta(days=days)}),
        approved={("pypi", project): frozenset({release})},
        statuses={("pypi", project): Status("archived")},
        newest={("pypi", project): Published("9.0", NOW)},
    ),
    st.lists(WEAK, max_size=3),
    PROJECTS,
    RELEASES,
    st.sampled_from([0, 100]),
)
"""What may be known besides."""

OUTCOMES = st.sampled_from(["allow", "review", "deny"])


def rules(number):
    """Return a strategy for a rule whose id is made from ``number``."""
    head = {"id": st.just(f"rule-{number}"), "then": OUTCOMES}
    denied = st.sampled_from(["numpy", "numpy<2", "six", "evil", "scikit_learn>=1.5"])
    bodies = (
        {"check": st.just("denied"), "then": st.just("deny"), "projects": st.lists(denied, min_size=1, max_size=2)},
        {"check": st.just("release_age"), "days": st.integers(0, 3650)},
        {
            "check": st.just("license"),
            "allow": st.lists(st.sampled_from(["MIT", "GPL-3.0-only"]), min_size=1, max_size=2),
        },
        {"check": st.just("yanked")},
        {"check": st.just("malicious")},
        {
            "check": st.just("advisory"),
            "severity": st.sampled_from([0.0, 5.0, 9.0]),
            "kev": st.booleans(),
            "unless": st.sampled_from([None, "vex"]),
        },
        {"check": st.just("name_distance"), "protect": st.lists(st.sampled_from(["numpyy", "siz"]), max_size=2)},
        {"check": st.just("project_status"), "statuses": st.just(["archived"])},
        {"check": st.just("floor"), "floors": st.just(["numpy>=2"]), "behind_days": st.sampled_from([None, 30])},
        {"check": st.just("yanked"), "when": st.sampled_from(["size > 1000", "native", "1 / files > 0"])},
        {"check": st.just("native_code")},
        {"check": st.sampled_from(["record_mismatch", "top_level_pth"])},
    )
    return st.one_of(*(st.fixed_dictionaries(head | body) for body in bodies))


POLICIES = st.integers(1, 4).flatmap(lambda size: st.tuples(*(rules(number) for number in range(size))))
"""Lists of rules, as a policy file holds them."""
