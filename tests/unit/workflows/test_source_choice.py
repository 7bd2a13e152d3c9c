"""When source is taken, and which."""

import pytest

from sekisho.model import Outcome
from sekisho.policy import Policy
from sekisho_builder.best_wheel import best_source
from sekisho_builder.solver import Pin
from sekisho_builder.sources import builds_sources
from tests.records import NOW, artifact, request, sha

PIN = Pin("raw", "1.0", ())
SOURCE = artifact("raw", "1.0", filename="raw-1.0.tar.gz")
ZIP = artifact("raw", "1.0", filename="raw-1.0.zip")
WHEEL = artifact("raw", "1.0")


def test_source_is_marked_for_the_runner():
    found = best_source(PIN, (WHEEL, ZIP, SOURCE), request("raw"))
    assert found == SOURCE.model_copy(update={"build_only": True})
    assert best_source(PIN, (WHEEL, ZIP), request("raw")) is None


def test_source_keeps_to_cut_off_and_hashes():
    assert best_source(PIN, (SOURCE,), request("raw", resolve_before=SOURCE.uploaded)) is None
    assert best_source(PIN, (SOURCE,), request("raw", resolve_before=NOW)) is not None
    assert best_source(PIN, (SOURCE,), request("raw", hashes={"raw": (sha("other"),)})) is None
    assert best_source(PIN, (SOURCE,), request("raw", hashes={"raw": (SOURCE.sha256,)})) is not None


@pytest.mark.parametrize(
    ("rules", "builds"),
    {
        "no word of it": ([], False),
        "denied": ([{"then": "deny"}], False),
        "denied by default": ([{}], False),
        "reviewed": ([{"then": "review"}], True),
        "denied in part": ([{"then": "review"}, {"id": "some", "then": "deny", "when": "project == 'x'"}], True),
        "reviewed and denied": ([{"then": "review"}, {"id": "all", "then": "deny"}], False),
    }.values(),
)
def test_source_is_had_only_where_the_policy_speaks_of_it(rules, builds):
    given = [{"id": "source", "check": "sdist_only", **rule} for rule in rules]
    policy = Policy.parse({"version": 1, "rules": given or [{"id": "y", "check": "yanked"}]}, where="test")
    assert builds_sources(policy) is builds
    assert all(rule.then in Outcome for rule in policy.rules)
