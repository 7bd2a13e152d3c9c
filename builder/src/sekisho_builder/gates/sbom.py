"""Gate ``sbom``: the image has bills of materials that name all that is in it, and they stay with it."""

from collections.abc import Iterator
from urllib.parse import quote

from sekisho.lock import Lock
from sekisho.model import canonical_json, sha256_hex
from sekisho_builder.base.debian_lock import read_debian_lock
from sekisho_builder.gates.accepting import Objection, settle
from sekisho_builder.gates.made import Made
from sekisho_builder.gates.subject import Answer, Subject
from sekisho_builder.sbom import Component, Inventory, to_cyclonedx, to_spdx

CYCLONEDX = "sbom.cdx.json"
SPDX = "sbom.spdx.json"


def sbom(subject: Subject) -> Answer:
    """Write both documents and have them kept.

    It fails where the system's packages left no record, since then nobody knows what is in the base, and where two
    things would have one name.
    """
    build = subject.build
    inventory = take_inventory(build)
    documents = {CYCLONEDX: canonical_json(to_cyclonedx(inventory)), SPDX: canonical_json(to_spdx(inventory))}
    for name, data in documents.items():
        build.keep(name, data)
    unknown = sum(component.licence is None for component in inventory.components)
    return settle(
        subject.definition,
        "sbom",
        _missing(build, inventory),
        *(f"{name}: sha256:{sha256_hex(data)}, {len(data)} bytes" for name, data in documents.items()),
        f"{len(inventory.components)} components: {packages(build.lock)},"
        f" {len(build.system.packages)} Debian packages, the base; the licence of {unknown} is unknown",
    )


def _missing(build: Made, inventory: Inventory) -> Iterator[Objection]:
    if not build.system.packages:
        yield Objection("base", "unknown: the base keeps no record of its packages, so nobody can say what is in it")
    names = [component.purl for component in inventory.components]
    for one in sorted({name for name in names if names.count(name) > 1}):
        yield Objection(one, f"{one} is in it twice", acceptable=False)


def packages(lock: Lock) -> str:
    """Say how many packages of which kind are locked."""
    conda = len(lock.of("conda"))
    return f"{len(lock.of('pypi'))} wheels" + (f", {conda} conda packages" if conda else "")


def take_inventory(build: Made) -> Inventory:
    """Return what is in the image: locked files, Debian packages, the base."""
    locked = {deb.name: deb.sha256 for deb in read_debian_lock(build.definition, build.folder).debs}
    locked_files = [
        Component(
            kind="library",
            name=artifact.project,
            version=artifact.release,
            purl=artifact.purl,
            sha256=artifact.sha256,
            licence=build.record.licences.get(artifact.sha256),
            file=artifact.filename,
        )
        for artifact in build.lock.artifacts
    ]
    system = [
        Component(
            kind="library",
            name=package.name,
            version=package.version,
            purl=package.purl,
            sha256=locked.get(package.name),
            licence=" AND ".join(package.licences) or None,
        )
        for package in build.system.packages
    ]
    manifest = build.base.manifest_sha256
    name = build.definition.base.debian or (build.definition.base.image or "base").partition("@")[0].rpartition("/")[2]
    base = Component("container", name, f"sha256:{manifest}", f"pkg:oci/{quote(name)}@sha256%3A{manifest}", manifest)
    purls = {artifact.node: artifact.purl for artifact in build.lock.artifacts}
    needs: dict[str, set[str]] = {}
    for edge in build.record.edges:
        if edge.project in purls and edge.needs in purls:
            needs.setdefault(purls[edge.project], set()).add(purls[edge.needs])
    return Inventory(
        name=build.definition.name,
        manifest=build.layout.manifest_sha256,
        created=str(build.layout.config["created"]),
        components=tuple(sorted((*locked_files, *system, base), key=lambda component: component.purl)),
        needs={purl: tuple(sorted(found)) for purl, found in sorted(needs.items())},
    )
