"""What did not change in the tree is not read again, and nothing that would be refused gets in that way."""

from sekisho.allowlist import dump_yaml, parse_tree
from sekisho.signing import Signer, Trust
from sekisho_portal.readings import Readings
from tests.records import SIGNER, TRUST, artifact, signed


def _file(project, *releases, signer=SIGNER):
    rows = []
    for release in releases:
        one = signed(artifact(project, release), signer=signer)
        rows.append({**one.approval.plain(), "signature": one.signature.plain()})
    return dump_yaml({"project": project, "approvals": rows})


class _Counting(Trust):
    """A trust that knows how often it was asked."""

    asked = 0

    def check(self, *about):
        self.asked += 1
        return super().check(*about)


def test_only_what_changed_is_verified_again():
    files = {f"pypi/{name}.yaml": _file(name, "1.0") for name in ("a", "b", "c")}
    readings, trust = Readings(), _Counting(*TRUST.keys.values())
    assert readings.read(files, trust) == parse_tree(files, trust=TRUST)
    assert trust.asked == 3
    changed = {**files, "pypi/b.yaml": _file("b", "1.0", "2.0")}
    assert readings.read(changed, trust) == parse_tree(changed, trust=TRUST)
    assert trust.asked == 3 + 2


def test_a_file_that_went_is_forgotten_and_one_that_moved_is_read_anew():
    readings = Readings()
    text = _file("a", "1.0")
    readings.read({"pypi/a.yaml": text}, TRUST)
    assert readings.read({}, TRUST).approvals == ()
    assert len(readings.read({"pypi/a.yaml": text}, TRUST).approvals) == 1


def test_other_trusted_keys_make_every_reading_void():
    stranger = Signer.generate()
    files = {"pypi/a.yaml": _file("a", "1.0", signer=stranger)}
    wide = Trust(*TRUST.keys.values(), stranger.trusted("stranger", "approval"))
    readings = Readings()
    assert len(readings.read(files, wide).approvals) == 1
    assert readings.read(files, TRUST).approvals == ()
    assert len(readings.read(files, TRUST).refused) == 1
