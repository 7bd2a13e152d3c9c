"""Policy: rules that judge artifacts, and the snapshot that proxies serve by."""

from sekisho.policy.document import Policy, parse_policy
from sekisho.policy.door import Door
from sekisho.policy.judge import judge
from sekisho.policy.knowledge import Knowledge
from sekisho.policy.rules import Rule
from sekisho.policy.sealing import SealedSnapshot, open_snapshot
from sekisho.policy.snapshot import Snapshot, compile_snapshot

__all__ = [
    "Door",
    "Knowledge",
    "Policy",
    "Rule",
    "SealedSnapshot",
    "Snapshot",
    "compile_snapshot",
    "judge",
    "open_snapshot",
    "parse_policy",
]
