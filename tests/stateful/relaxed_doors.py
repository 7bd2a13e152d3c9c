"""Doors whose mode changes all the time, beside doors that enforce."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.stateful.model import WORKSPACES
from tests.stateful.open_doors import OpenDoors


class RelaxedDoors(OpenDoors):
    """What ``OpenDoors`` is, with workspaces in all modes: the judge of each door is that of its mode."""

    @rule(workspace=st.sampled_from(WORKSPACES), mode=st.sampled_from(["off", "audit", "audit", "enforce"]))
    def set_mode(self, workspace, mode):
        self.count()
        modes = {**dict(self.tree.modes), workspace: mode}
        self.commit(replace(self.tree, modes=tuple(sorted(modes.items()))), *self.admitted())
