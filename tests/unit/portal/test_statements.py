"""What an approval says to others, read by their tools: DSSE and in-toto as specified, and nothing of ours."""

import base64
import json

from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from sekisho.keys import key_path, load_signer
from sekisho.model import Edge, sha256_hex
from tests.records import artifact, facts
from tests.unit.portal.house import ANNA, GPL, NUMPY, SIX

LATER = artifact("later", "1.0", index={"provenance": "https://index.invalid/later.provenance"})
REQUIRED = {"ingestor", "ingestionPlatform", "upstream", "ingestion", "integrity", "publisherSignature"}
"""What the draft's matrix requires at L2, beside what depends on the file."""


def _key(house):
    signer = load_signer(key_path(house.settings, "portal"))
    public = signer.public.hex()
    return SSlibKey(signer.keyid, "ed25519", "ed25519", {"public": public})


def _approved(house):
    """Approve numpy, which needs six and later; six was attested and scanned."""
    request = house.ask(requirements=["numpy"])
    needs = (Edge(project="numpy", needs="six"), Edge(project="six", needs="later"))
    closure = house.closure(request, NUMPY, SIX, LATER).model_copy(update={"edges": needs})
    house.report(request, "resolved", closure=closure.plain())
    publisher = {"publisher": "GitHub", "repository": "benjaminp/six", "workflow": "release.yml"}
    scan = {"scanner": "guarddog", "version": "3.2.0", "findings": ["exec"]}
    known = facts(SIX, **GPL, attestations=[publisher], scans=[scan])
    house.inspect(request, facts(NUMPY), known, facts(LATER))
    standing = house.approve(request, ANNA, reason="fits")
    return standing.last["approved"].body


def _predicates(house, approval):
    found = {}
    for row in house.desk.statements(approval):
        said = json.loads(base64.b64decode(row["payload"]))
        found[said["subject"][0]["name"]] = said
    return found


def test_another_tool_verifies_each_of_them(house):
    rows = house.desk.statements(_approved(house)["id"])
    assert len(rows) == 3
    for row in rows:
        envelope = Envelope.from_dict(json.loads(json.dumps(row)))
        assert envelope.verify([_key(house)], 1)
        assert envelope.payload_type == "application/vnd.in-toto+json"


def test_they_say_what_was_admitted_by_whom_and_why(house):
    approval = _approved(house)
    found = _predicates(house, approval["id"])
    assert set(found) == {"numpy@2.1.0", "six@1.17.0", "later@1.0"}
    for said in found.values():
        assert said["_type"] == "https://in-toto.io/Statement/v1"
        assert said["predicateType"] == "https://slsa.dev/dependency/v1"
        assert set(said["predicate"]) >= REQUIRED
        assert said["predicate"]["integrity"]["result"] == "verified"
        assert {row["result"] for row in said["predicate"]["policyEvaluations"]} == {"allow"}
        assert said["predicate"]["sekisho"]["approved_by"] == "anna"
        assert said["predicate"]["sekisho"]["id"] == approval["id"]
    six = found["six@1.17.0"]
    assert six["subject"][0]["digest"] == {"sha256": SIX.sha256}
    whole, rule = six["predicate"]["policyEvaluations"]
    assert whole["description"] == "review; approved by anna: fits"
    assert rule["policy"]["id"].endswith("#licence")
    assert rule["policy"]["version"] == f"sha256:{approval['policy']}"
    assert rule["description"].startswith("review: ")
    assert rule["description"].endswith("; approved by anna")
    assert six["predicate"]["scans"][0]["verdict"] == "findings"


def test_who_brought_a_file_in_is_named_and_what_is_unknown_is_said(house):
    found = {name: said["predicate"] for name, said in _predicates(house, _approved(house)["id"]).items()}
    numpy, six, later = found["numpy@2.1.0"], found["six@1.17.0"], found["later@1.0"]
    assert "resolvedFrom" not in numpy
    assert six["resolvedFrom"]["subject"] == {"sha256": NUMPY.sha256}
    assert later["resolvedFrom"]["subject"] == {"sha256": SIX.sha256}
    assert numpy["publisherSignature"] == numpy["upstreamProvenance"] == {"availability": "unavailable"}
    assert later["publisherSignature"] == {"result": "unverified"}
    assert later["upstreamProvenance"] == {"verification": {"result": "not-attempted"}}
    assert six["publisherSignature"]["keyId"] == "GitHub:benjaminp/six:release.yml"
    assert six["upstreamProvenance"]["verification"] == {"result": "verified"}


def test_the_ledger_has_the_digest_of_what_was_said(house):
    approval = _approved(house)
    data = (house.settings.data / "portal" / "statements" / f"{approval['id']}.intoto.jsonl").read_bytes()
    assert approval["statements"] == sha256_hex(data)


def test_what_is_not_decided_twice_says_nothing_twice(house):
    house.approve(house.waiting())
    again = house.propose(NUMPY, SIX, known=GPL)
    assert house.desk.standing(again).last["approved"].body["statements"] is None


def test_broken_glass_says_so(house):
    request = house.waiting(SIX)
    standing = house.desk.break_glass(ANNA, request, project="six", hours=2, reason="an outage")
    (said,) = _predicates(house, standing.last["break-glass"].body["id"]).values()
    assert said["predicate"]["sekisho"]["break_glass"] is True
    assert "glass broken by anna: an outage" in said["predicate"]["policyEvaluations"][0]["description"]


def test_what_was_never_said_is_not_found(web):
    for name, status in (("a999", 404), ("..%2f..%2ftrust", 404), ("trust", 400), ("a1x", 400)):
        assert web.call("GET", f"/api/approvals/{name}/statements", "rita").status_code == status
