"""Gate ``same-digest``: assembled once more from the wheels, with nothing kept, the image is the same bytes."""

import tempfile
from pathlib import Path

from sekisho_builder.gates.subject import Answer, Subject


def same_digest(subject: Subject) -> Answer:
    """Assemble again in an empty folder and compare the manifests, which name every layer and the config by digest.

    The base is taken as it is: its digest is part of the definition or of its lock.
    """
    build = subject.build
    first = build.layout.manifest_sha256
    with tempfile.TemporaryDirectory(dir=build.layout.folder.parent, prefix=".again-") as folder:
        second = build.again(Path(folder))
    if second != first:
        return Answer(passed=False, evidence=(f"assembled again it is sha256:{second}, not sha256:{first}",))
    layers = len(build.layout.layers) - build.below
    return Answer(passed=True, evidence=(f"sha256:{first} both times; {layers} layers were made again",))
