"""What gates look at that start no container: an image's files, and all that it was made from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sekisho.lock import Lock
from sekisho.model import Artifact, ImageDefinition
from sekisho.policy.rules import BaseRule
from sekisho.store import file_sha256
from sekisho_builder.assemble.debian_layers import Debs
from sekisho_builder.dockerfile import Dockerfiled
from sekisho_builder.gates.contents import Contents, read_contents
from sekisho_builder.gates.debian_packages import System, read_system
from sekisho_builder.gates.on_record import OnRecord
from sekisho_builder.gates.tracing import Traced, trace
from sekisho_builder.oci.layout import Layout


@dataclass(frozen=True)
class Made:
    """One build of an image. What is read of it is read once, when the first gate asks.

    ``folder`` is the definition's. ``wheels`` and ``debs`` return where a locked file is. ``again`` assembles the image
    once more in an empty folder, from nothing that was kept. ``keep`` takes a document that is to stay with the image,
    by its name. ``above`` is what a Dockerfile added on top.
    """

    definition: ImageDefinition
    lock: Lock
    layout: Layout
    base: Layout
    folder: Path | None
    debs: Debs | None
    wheels: Callable[[Artifact], Path]
    again: Callable[[Path], Layout]
    keep: Callable[[str, bytes], None]
    record: OnRecord
    above: Dockerfiled | None = None

    @cached_property
    def rules(self) -> tuple[BaseRule, ...]:
        """Return the policy's rules as they answer in the lock's workspace."""
        return self.record.policy.rules_for(self.lock.workspace)

    @cached_property
    def below(self) -> int:
        """Return how many layers are the base's."""
        return len(self.base.layers)

    @cached_property
    def top(self) -> int:
        """Return how many layers are below those that a Dockerfile added."""
        return len(self.layout.layers) - (self.above.added if self.above else 0)

    @cached_property
    def reviewed(self) -> frozenset[str]:
        """Return the sha256 of each file of the definition's folder, which is reviewed with it."""
        files = self.folder.rglob("*") if self.folder else ()
        return frozenset(file_sha256(path) for path in files if path.is_file() and not path.is_symlink())

    @cached_property
    def traced(self) -> Traced:
        """Return which file of which approved wheel belongs where; raises what reading a wheel raises."""
        return trace(
            self.definition, self.lock, self.wheels, folder=self.folder, debs=self.debs, inside=self.record.inside
        )

    @cached_property
    def contents(self) -> Contents:
        """Return all that is in the layers; raises what ``read_contents`` raises."""
        return read_contents(
            self.layout, self.definition.budget.unpacked, frozenset(self.traced.public), own=self.below
        )

    @cached_property
    def system(self) -> System:
        """Return the Debian packages of the image."""
        return read_system(self.contents)
