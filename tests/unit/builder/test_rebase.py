"""Which images a new base is put under, and which bases are refused."""

import gzip
import hashlib
import io
import tarfile

import pytest

from sekisho.errors import BadInputError, ConflictError, RefusedError, UpstreamError
from sekisho_builder.base.inside import Inside, look_inside
from sekisho_builder.oci.layout import LAYER, Descriptor, Layer, write_layout
from sekisho_builder.rebase import (
    Standing,
    check_base,
    check_dockerfile,
    check_layers,
    check_reviewed,
    chosen,
    glibc_floor,
    outcome_of,
    standing_images,
)
from tests.channels.packages import make_package
from tests.records import artifact
from tests.unit.builder.conda_room import PYTHON, conda_lock_of
from tests.unit.builder.room import definition, lock_of

LIBC = b"\0GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.\n\0"
SOUND = Inside((3, 11), (2, 36), "linux", "amd64")


def locked(*filenames):
    files = tuple(artifact(name.partition("-")[0], filename=name) for name in filenames)
    return lock_of([]).model_copy(update={"artifacts": files})


def status(request, *, image="tool", workspace="everyone", state="delivered", at=5, manifest="m", **more):
    assembly = {"base": {"manifest": "old"}, "layers": [{"sha256": name} for name in ("b", "skeleton", "alpha")]}
    return {
        "id": request, "state": state, "request": {"image": image, "workspace": workspace}, "assembly": assembly,
        "image": {"manifest": manifest}, "events": [{"seq": at, "kind": "delivered"}, {"seq": 99, "kind": "rebased"}],
    } | more  # fmt: skip


def test_of_each_image_in_each_workspace_the_last_delivery_counts():
    rows = [
        status("r3", at=30), status("r4", at=40, manifest="newest"), status("r2", at=20),
        status("r5", workspace="team"), status("r6", image="other", at=1),
        status("r7", state="failed"), status("r8", image=None),
    ]  # fmt: skip
    found = standing_images(rows)
    assert [(one.image, one.workspace, one.request) for one in found] == [
        ("other", "everyone", "r6"), ("tool", "everyone", "r4"), ("tool", "team", "r5"),
    ]  # fmt: skip
    assert found[1] == Standing("tool", "everyone", "r4", "newest", "old", ("b", "skeleton", "alpha"))
    assert [one.request for one in chosen(found, ["tool"])] == ["r4", "r5"]
    assert chosen(found, []) == found


def test_an_image_that_was_never_delivered_is_named_with_those_that_were():
    with pytest.raises(BadInputError, match="'tol' was delivered") as caught:
        chosen(standing_images([status("r1")]), ["tol"])
    assert "tool" in caught.value.todo


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"python": (3, 12)}, "has Python 3.12, and the packages are for 3.11.2"),
        ({"python": None}, "has Python none at /usr/bin/python3"),
        ({"glibc": (2, 27)}, r"has glibc 2\.27, and beta 2\.1\.0 needs 2\.28 or newer"),
        ({"glibc": None}, "has no GNU C library"),
        ({"architecture": "arm64"}, "is for linux on arm64, not linux on amd64"),
        ({"os": "windows"}, "is for windows on amd64"),
    ],
)
def test_a_base_that_cannot_carry_the_packages_is_refused(change, said):
    lock = locked("alpha-1.0-py3-none-any.whl", "beta-1.0-cp311-cp311-manylinux_2_28_x86_64.whl")
    check_base(definition(), lock, SOUND)
    with pytest.raises(RefusedError, match=said) as caught:
        check_base(definition(), lock, SOUND._replace(**change))
    assert caught.value.where == "images/small/image.yaml"
    assert caught.value.todo


@pytest.mark.parametrize(
    ("filename", "floor"),
    [
        ("a-1.0-py3-none-any.whl", (0, 0)),
        ("a-1.0-cp311-cp311-linux_x86_64.whl", (0, 0)),
        ("a-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_28_x86_64.whl", (2, 17)),
        ("a-1.0-cp311-cp311-manylinux_2_34_x86_64.whl", (2, 34)),
        ("a-1.0-cp36-abi3-manylinux1_x86_64.whl", (2, 5)),
    ],
)
def test_the_floor_of_a_wheel_is_its_oldest_tag(filename, floor):
    assert glibc_floor(locked(filename))[0] == floor


def test_the_floor_of_a_lock_is_its_newest_wheel():
    lock = locked("a-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", "b-1.0-py3-none-any.whl")
    assert glibc_floor(lock) == ((2, 28), "a 2.1.0")


def test_conda_packages_have_a_floor_and_need_no_python_of_the_base():
    needy = make_package("needy", subdir="linux-64", depends=("__glibc >=2.34,<3.0.a0", "python"))
    lock = conda_lock_of([PYTHON, needy])
    assert glibc_floor(lock) == ((2, 34), "conda:needy 1.0")
    conda = definition(conda=("python",), requirements=(), prefix="/opt/env")
    check_base(conda, lock, SOUND._replace(python=None))
    with pytest.raises(RefusedError, match=r"needy 1\.0 needs 2\.34 or newer"):
        check_base(conda, lock, SOUND._replace(python=None, glibc=(2, 31)))


@pytest.mark.parametrize("base", [1, 2])
def test_package_layers_stay_byte_for_byte(base):
    before = Standing("tool", "everyone", "r1", "m", "old", ("b", "skeleton", "alpha"))
    check_layers(before, [*["new"] * base, "skeleton", "alpha"], base)
    for layers in (
        ["skeleton", "other"],
        ["other", "alpha"],
        ["skeleton", "alpha", "more"],
        ["b", "skeleton", "alpha"],
    ):
        with pytest.raises(RefusedError, match="other package layers"):
            check_layers(before, [*["new"] * base, *layers], base)


def test_a_dockerfile_is_built_anew_only_as_it_was_delivered():
    rows = [status("r1", assembly=status("r1")["assembly"] | {"dockerfile": {"context": "c"}}), status("r2", image="b")]
    without, with_one = standing_images(rows)
    check_dockerfile(with_one, "c")
    check_dockerfile(without, None)
    for image, now in ((with_one, "other"), (with_one, None), (without, "c")):
        with pytest.raises(RefusedError, match="its Dockerfile, or what lies beside it"):
            check_dockerfile(image, now)


def test_a_base_that_nobody_locked_is_not_put_under_anything():
    image = Standing("tool", "everyone", "r1", "m", "old", ())
    check_reviewed(image, "debian-12", None)
    with pytest.raises(RefusedError, match="no longer has") as caught:
        check_reviewed(image, "debian-12", "bash=2\n")
    assert caught.value.where == "images/debian-12/packages.lock"
    assert "sekisho builder base tool" in caught.value.todo


def test_what_stops_an_image_is_told_apart():
    failed, passed = ({"gates": [{"status": "passed"}, {"status": one}]} for one in ("failed", "passed"))
    assert outcome_of(RefusedError("gate x failed"), failed) == "failed-gate"
    assert outcome_of(RefusedError("revoked"), None) == "refused"
    assert outcome_of(ConflictError("the definition changed"), None) == "refused"
    assert outcome_of(UpstreamError("the registry is gone"), passed) == "failed"


def layer(folder, entries):
    """Write a layer of (path, bytes) files and (path, target) links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in entries:
            info = tarfile.TarInfo(path)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    packed = gzip.compress(buffer.getvalue(), mtime=0)
    file = folder / hashlib.sha256(packed).hexdigest()
    file.write_bytes(packed)
    return Layer(file, Descriptor(LAYER, file.name, len(packed)), hashlib.sha256(buffer.getvalue()).hexdigest(), "base")


def base(folder, *layers):
    config = {"created": "2020-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": {}}
    return write_layout(folder / "layout", [layer(folder, entries) for entries in layers], config, {})


DEBIAN = [
    ("./usr/bin/python3", "python3.11"),
    ("./usr/bin/python3.11", b"x"),
    ("./usr/lib/x86_64-linux-gnu/libc.so.6", LIBC),
]


@pytest.mark.parametrize(
    ("layers", "python", "glibc"),
    [
        ([DEBIAN], (3, 11), (2, 36)),
        ([DEBIAN, [("usr/bin/python3", "/etc/alternatives/python3"), ("etc/alternatives/python3", "../../usr/bin/python3.12")]],
         (3, 12), (2, 36)),
        ([DEBIAN, [("usr/lib/x86_64-linux-gnu/libc.so.6", LIBC.replace(b"2.36", b"2.41"))]], (3, 11), (2, 41)),
        ([[("usr/bin/python3", "python3"), ("lib64/libc-2.31.so", LIBC.replace(b"2.36", b"2.31"))]], None, (2, 31)),
        ([[("usr/bin/python3", b"a program"), ("lib/ld-musl-x86_64.so.1", b"musl")]], None, None),
    ],
)  # fmt: skip
def test_a_base_is_read_without_being_run(tmp_path, layers, python, glibc):
    assert look_inside(base(tmp_path, *layers)) == Inside(python, glibc, "linux", "amd64")


def test_a_layer_that_is_no_tar_is_named(tmp_path):
    written = base(tmp_path, DEBIAN)
    blob = written.blob(written.layers[0].sha256)
    blob.unlink()
    blob.write_bytes(b"zstd, perhaps")
    with pytest.raises(BadInputError, match="cannot be read") as caught:
        look_inside(written)
    assert caught.value.todo
