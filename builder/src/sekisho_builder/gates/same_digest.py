"""Gate ``same-digest``: assembled once more from the wheels, with nothing kept, the image is the same bytes."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from sekisho_builder.dockerfile import FILE
from sekisho_builder.gates.accepting import Objection, settle
from sekisho_builder.gates.made import Made
from sekisho_builder.gates.subject import Answer, Subject


def same_digest(subject: Subject) -> Answer:
    """Assemble again in an empty folder and compare the manifests, which name every layer and the config by digest.

    The base is taken as it is: its digest is part of the definition or of its lock. Of an image with a Dockerfile the
    layers below it are compared; it was built twice, and what differed passes where the definition says why.
    """
    build = subject.build
    first, above = build.layout, build.above
    with tempfile.TemporaryDirectory(dir=first.folder.parent, prefix=".again-") as folder:
        second = build.again(Path(folder))
        digest, layers = second.manifest_sha256, [row.sha256 for row in second.layers]
    if above is None and digest != first.manifest_sha256:
        says = f"assembled again it is sha256:{digest}, not sha256:{first.manifest_sha256}"
        return Answer(passed=False, evidence=(says,))
    if layers != [row.sha256 for row in first.layers[: build.top]]:
        return Answer(passed=False, evidence=("assembled again, what is below the Dockerfile has other layers",))
    made = f"{build.top - build.below} layers were made again"
    if above is None:
        return Answer(passed=True, evidence=(f"sha256:{digest} both times; {made}",))
    return settle(subject.definition, "same-digest", _objections(build), f"{made}, the same", *_twice(build))


def _objections(build: Made) -> Iterator[Objection]:
    for one in build.above.differing if build.above else ():
        yield Objection(FILE, f"built twice, {one} of the {FILE} differs: this image is not reproducible")


def _twice(build: Made) -> Iterator[str]:
    if build.above and build.above.reproducible:
        yield f"built twice, the {FILE} gave the same {build.above.added} layers"
