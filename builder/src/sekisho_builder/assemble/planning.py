"""What the layers of an image's packages depend on, and the work that makes each: names in the cache, and jobs."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sekisho.lock import Lock
from sekisho.model import Artifact, ImageDefinition, Target, spec_name
from sekisho_builder.assemble.conda_archive import CondaPackage
from sekisho_builder.assemble.conda_layers import build_conda
from sekisho_builder.assemble.environment import Environment
from sekisho_builder.assemble.layer import BuiltLayer, Package, build_layers
from sekisho_builder.assemble.layer_cache import layer_key
from sekisho_builder.assemble.layer_series import LayerForm

Wheels = Callable[[Artifact], Path]
"""Returns where an artifact's file is on this machine."""

Job = Callable[[], list[BuiltLayer]]
"""Builds some layers; it can be pickled."""


class Planning(NamedTuple):
    """What is asked of a lock's packages: which were asked for by name, and of which link scripts are not missed."""

    environment: Environment
    target: Target
    form: LayerForm
    direct: frozenset[str]
    specs: Mapping[str, tuple[str, ...]]
    unrun: frozenset[str]

    @classmethod
    def of(cls, definition: ImageDefinition, lock: Lock, environment: Environment | None = None) -> Self:
        """Return what a definition says of the packages of its lock."""
        names = {spec_name(spec) for spec in lock.conda}
        return cls(
            environment or Environment.of(definition, lock),
            definition.target,
            LayerForm.of(definition),
            frozenset(str(canonicalize_name(Requirement(text).name)) for text in lock.direct),
            {name: tuple(sorted(spec for spec in lock.conda if spec_name(spec) == name)) for name in names},
            frozenset(entry.package for entry in definition.unrun_scripts),
        )

    def key(self, artifacts: list[Artifact]) -> str:
        """Return the cache's name for a layer of packages of one kind: everything that its bytes depend on."""
        if artifacts[0].kind == "conda":
            told = [list(self.conda(artifact, Path())._replace(file=Path())) for artifact in artifacts]
            return layer_key("conda", self.environment, self.form, [[str(part) for part in row] for row in told])
        rows = [[a.project, a.release, a.sha256, a.project in self.direct] for a in artifacts]
        return layer_key(self.environment.prefix, self.target.plain(), self.form, rows, self.environment.packages)

    def job(self, artifacts: list[Artifact], wheels: Wheels, target: Path) -> Job:
        """Return the work that writes a layer of packages of one kind to ``target``."""
        if artifacts[0].kind == "conda":
            packages = [self.conda(artifact, wheels(artifact)) for artifact in artifacts]
            return partial(build_conda, packages, self.environment, self.form, target)
        return partial(build_layers, [self.wheel(a, wheels(a)) for a in artifacts], self.environment, self.form, target)

    def conda(self, artifact: Artifact, file: Path) -> CondaPackage:
        """Return a conda package as layers are built from it."""
        return CondaPackage(
            source=artifact.source,
            path=artifact.path,
            filename=artifact.filename,
            sha256=artifact.sha256,
            size=artifact.size,
            file=file,
            requested=self.specs.get(artifact.project, ()),
            unrun=artifact.project in self.unrun,
        )

    def wheel(self, artifact: Artifact, file: Path) -> Package:
        """Return a wheel as layers are built from it."""
        requested = artifact.project in self.direct
        return Package(artifact.project, artifact.release, artifact.filename, artifact.sha256, requested, file)
