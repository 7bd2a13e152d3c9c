"""The answers of the real uv, asked over loopback."""

import pytest

from sekisho.errors import UnresolvableError, UpstreamError
from sekisho_builder.resolve import resolve
from sekisho_builder.solver import Pin, explain, parse_pins, uv_version
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.records import request
from tests.wheels import make_wheel

SECRET = "s3cret-of-the-builder"
WHEELS = [
    make_wheel("alpha", "1.0", requires=("beta>=2", "gamma[fast]")),
    make_wheel("beta", "1.0"),
    make_wheel("beta", "2.0", requires=("gamma",)),
    make_wheel("gamma", "3.0", requires=("delta; extra == 'fast'",), extra="Provides-Extra: fast\n"),
    make_wheel("delta", "0.1"),
    make_wheel("narrow", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64"),
    make_wheel("picky", "1.0", requires=("beta<2",)),
]


class FakeProxy:
    """The builder's view of a proxy, over a simple index that wants no token."""

    ca = None

    def __init__(self, url):
        self.url = url

    def answers(self):
        pass

    def index_url(self):
        return self.url.replace("//", f"//__token__:{SECRET}@") + "/simple/"

    def artifacts(self, project, release):
        return tuple(wheel.artifact() for wheel in WHEELS if (wheel.project, wheel.release) == (project, release))

    def with_metadata(self, artifact):
        return artifact.model_copy(update={"index": {**artifact.index, "core-metadata": "seen"}})


@pytest.fixture(scope="module")
def upstream():
    return FakeUpstream(wheels=WHEELS)


@pytest.fixture(scope="module")
def url(upstream):
    with run_asgi(upstream) as url:
        yield url


def _resolve(url, *requirements, **more):
    told = []
    found = resolve(request(*requirements, **more), FakeProxy(url), lambda done, total: told.append((done, total)))
    return found, told


def test_a_closure_has_one_file_of_each_project_and_the_edges_between_them(url):
    found, told = _resolve(url, "Alpha")
    assert _resolve(url, "Alpha")[0] == found
    assert [one.name for one in found.artifacts] == ["alpha 1.0", "beta 2.0", "delta 0.1", "gamma 3.0"]
    assert {(edge.project, edge.needs) for edge in found.edges} == {
        ("alpha", "beta"), ("alpha", "gamma"), ("beta", "gamma"), ("gamma", "delta"),
    }  # fmt: skip
    assert found.why("delta") == ("alpha", "gamma", "delta")
    assert found.request == request("Alpha").digest()
    assert found.direct == ("Alpha",)
    assert found.resolver == f"uv {uv_version()}"
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_constraint_holds_for_what_is_needed_and_asks_for_nothing(url):
    found, _ = _resolve(url, "beta", constraints=("beta==1.0", "gamma==3.0", "unknown==1 ; python_version < '3'"))
    assert [one.name for one in found.artifacts] == ["beta 1.0"]
    assert found.edges == ()
    with pytest.raises(UnresolvableError, match="beta"):
        _resolve(url, "alpha", constraints=("beta==1.0",))


def test_a_file_with_another_hash_than_asked_for_is_no_answer(url):
    (right,) = _resolve(url, "delta")[0].artifacts
    assert _resolve(url, "delta", hashes={"delta": (right.sha256,)})[0].artifacts == (right,)
    with pytest.raises(UnresolvableError, match=r"delta 0\.1 has no wheel .* that has one of the 1 hashes"):
        _resolve(url, "delta", hashes={"delta": ("00" * 32,)})


def test_what_cannot_be_satisfied_keeps_the_resolvers_own_chain(url):
    with pytest.raises(UnresolvableError) as caught:
        _resolve(url, "alpha", "picky")
    said = " ".join(caught.value.what.split())
    assert "all versions of picky depend on beta<2" in said
    assert "because you require alpha and picky" in said
    assert "your requirements are unsatisfiable" in said
    assert caught.value.where == "requirements: alpha, picky"


def test_a_project_that_does_not_exist_is_unresolvable(url):
    with pytest.raises(UnresolvableError, match="nowhere") as caught:
        _resolve(url, "nowhere")
    assert SECRET not in str(caught.value.diagnostics())


def test_a_project_without_a_wheel_for_the_target_is_unresolvable(url):
    with pytest.raises(UnresolvableError, match="narrow"):
        _resolve(url, "narrow")


def test_an_index_that_fails_is_an_upstream_error(url, upstream):
    upstream.faults["/simple/delta/"] = "500"
    try:
        with pytest.raises(UpstreamError, match="could not read the index") as caught:
            _resolve(url, "delta")
    finally:
        upstream.faults.clear()
    assert SECRET not in str(caught.value.diagnostics())


def test_nothing_of_this_machines_configuration_counts(url, tmp_path):
    from click.testing import CliRunner

    foreign = {
        "UV_DEFAULT_INDEX": "http://elsewhere.invalid/",
        "UV_INDEX": "http://elsewhere.invalid/",
        "PIP_INDEX_URL": "x",
    }
    with CliRunner(env={**foreign, "UV_NO_INDEX": "1", "UV_OFFLINE": "1"}).isolation():
        found, _ = _resolve(url, "delta")
    assert [one.name for one in found.artifacts] == ["delta 0.1"]
    assert found.artifacts[0].index["core-metadata"] == "seen"  # what resolution saw is kept with the file


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("error: Failed to fetch: `http://__token__:{}@127.0.0.1/simple/x/`\n  Caused by: timeout", UpstreamError),
        (
            "  x No solution found when resolving dependencies:\n  because http://{}@127.0.0.1/ has no x",
            UnresolvableError,
        ),
        ("warning: http://{}@127.0.0.1/ is slow\nerror: x was not found in the package registry", UnresolvableError),
    ],
)
def test_a_token_in_an_address_is_not_shown_whatever_the_resolver_says(said, error):
    found = explain(said.format(SECRET), request("x"))
    assert type(found) is error
    assert SECRET not in str(found.diagnostics())
    assert "warning" not in found.what


def test_an_index_without_upload_times_is_named_where_a_date_leaves_nothing_of_it():
    said = """warning: `Acme_Web-1.0-py3-none-any.whl` is missing an upload date, but user provided: 2026-10-01T00:00:00Z
error: No solution found when resolving dependencies
  cause: Because there are no versions of acme-web and you require acme-web, …"""
    found = explain(said, request("acme-web"))
    assert isinstance(found, UnresolvableError)
    assert found.todo.startswith("acme-web: the index states no upload times, so `resolve-before`")


def test_pins_are_read_with_who_needs_them():
    text = """# a comment
alpha==1.0                # via -r -
beta-two[fast]==2.0.post1+cu118  # via alpha, Gamma.Three[x], -r -

delta==0.1 # via -c constraints.txt
"""
    assert parse_pins(text) == [
        Pin("alpha", "1.0", ()),
        Pin("beta-two", "2.0.post1+cu118", ("alpha", "gamma-three")),
        Pin("delta", "0.1", ()),
    ]


@pytest.mark.parametrize(
    "line", ["alpha>=1.0", "alpha @ http://example.invalid/a.whl", "-e .", "alpha==1.0 ; python_version < '3'", "alpha"]
)
def test_a_line_that_is_no_pin_is_an_error_and_never_passed_over(line):
    with pytest.raises(UpstreamError, match="something else than a pin"):
        parse_pins(f"beta==1.0\n{line}\n")
