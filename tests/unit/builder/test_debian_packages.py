"""Debian packages: locked by apt, fetched by hash, unpacked to layers of their own."""

import hashlib
import tarfile

import httpx2
import pytest

from sekisho.errors import BadInputError, CorruptError, MissingToolError, SekishoError, UpstreamError
from sekisho.store import BlobStore
from sekisho_builder.assemble import assemble
from sekisho_builder.base.debian_choice import fetch_deb, lock_debian
from sekisho_builder.base.debian_lock import DebianLock, read_debian_lock
from sekisho_builder.oci.layout import LAYER, Descriptor, Layer, write_layout
from sekisho_builder.programs import Said
from tests.debs import CONTROL, ar_of, info_of, locked, make_deb, tar_of
from tests.unit.builder.room import House, definition, lock_of
from tests.wheels import make_wheel


class Shop(House):
    """A house whose definition has Debian packages."""

    def lock(self, *debs):
        (self.source).mkdir(parents=True, exist_ok=True)
        rows = [locked(data, *told) for data, *told in debs]
        for row, (data, *_) in zip(rows, debs, strict=True):
            (self.folder / row.sha256).write_bytes(data)
        text = DebianLock((rows[0].name,), tuple(rows)).text()
        (self.source / "debian.lock").write_text(text)

    def build(self, **more):
        asked = definition(**{"debian": ("libsound1",)} | more)
        wheel = make_wheel("alpha")
        (self.folder / "alpha").write_bytes(wheel.data)
        return assemble(
            asked,
            lock_of([wheel]),
            self.base,
            lambda _: self.folder / "alpha",
            cache=self.folder / "cache",
            out=self.folder / "out",
            folder=self.source,
            debs=lambda deb: self.folder / deb.sha256,
        )


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


@pytest.mark.parametrize("form", ["xz", "gz"])
def test_a_package_is_unpacked_above_the_base_and_scanners_are_told(shop, form):
    extra = [
        (info_of("./usr/lib/x86_64-linux-gnu/libsound.so.1", tarfile.SYMTYPE, linkname="libsound.so.1.2"), b""),
        (info_of("./usr/bin/sound", mode=0o755), b"#!/bin/sh\n"),
        (info_of("./usr/bin/noise", tarfile.LNKTYPE, linkname="./usr/bin/sound"), b""),
        (info_of("./var/lib/sound", tarfile.DIRTYPE, mode=0o2775, gid=29), b""),
    ]
    shop.lock((make_deb(form=form, extra=extra),))
    made = shop.build()
    assert made.built == 3
    assert shop.layout().config["history"][1]["created_by"] == "sekisho: Debian's libsound1 1.2-3"
    found = shop.files()
    assert found["usr/lib/x86_64-linux-gnu/libsound.so.1.2"][1] == b"\x7fELF sound"
    assert found["usr/lib/x86_64-linux-gnu/libsound.so.1"][0].linkname == "libsound.so.1.2"
    assert found["usr/lib/old.so"][1] == b"old place"
    assert (found["usr/bin/noise"][0].islnk(), found["usr/bin/noise"][0].linkname) == (True, "usr/bin/sound")
    assert found["usr/bin/sound"][0].mode == 0o755
    assert (found["var/lib/sound"][0].mode, found["var/lib/sound"][0].gid) == (0o2775, 29)
    assert not [path for path in found if "man1" in path or "changelog" in path or path.startswith("lib/")]
    assert found["var/lib/dpkg/status.d/libsound1"][1].decode() == CONTROL.format(
        name="libsound1", version="1.2-3"
    ).replace("\nVersion", "\nStatus: install ok installed\nVersion")
    listed = found["var/lib/dpkg/info/libsound1.list"][1].decode().splitlines()
    assert listed == sorted(f"/{path}" for path in found if path.startswith("usr/") and not found[path][0].isdir())
    text = (shop.source / "debian.lock").read_bytes()
    label = shop.layout().config["config"]["Labels"]["dev.sekisho.debian-lock"]
    assert label == f"sha256:{hashlib.sha256(text).hexdigest()}"
    assert shop.build().built == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"scripts": {"postinst": "#!/bin/sh\nset -e\nadduser sound\n"}}, "its script would have to run.*adduser"),
        ({"scripts": {"preinst": "rm -rf /x\n"}}, "its script would have to run"),
        ({"claims": CONTROL.format(name="other", version="1.2-3")}, "says that it is other"),
        ({"extra": [(info_of("./usr/bin/su", mode=0o4755), b"x")]}, "setuid"),
        ({"extra": [(info_of("./dev/x", mode=0o644), b"x")]}, "an engine has its own"),
        ({"extra": [(info_of("./usr/null", tarfile.CHRTYPE), b"")]}, "a device"),
        ({"extra": [(info_of("./usr/../../x"), b"x")]}, "climbs"),
        ({"extra": [(info_of("./usr/x", tarfile.LNKTYPE, linkname="./etc/passwd"), b"")]}, "a second name"),
        ({"files": {"./opt/venv/bin/python": b"x"}}, "Debian's libsound1 and the virtual environment"),
    ],
)
def test_packages_that_are_refused_by_name(shop, more, says):
    shop.lock((make_deb(**more),))
    with pytest.raises(BadInputError, match=says) as caught:
        shop.build()
    assert "libsound1" in f"{caught.value.what} {caught.value.where}"
    assert caught.value.todo
    assert not (shop.folder / "out").exists()


@pytest.mark.parametrize("script", ["#!/bin/sh\nset -e\n\n# Automatically added\nldconfig\nexit 0\n", ":\n"])
def test_scripts_that_do_nothing_an_image_needs(shop, script):
    shop.lock((make_deb(scripts={"postinst": script, "prerm": "rm -rf /never-run\n"}),))
    shop.build()
    shop.layout().verify()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"\x7fELF" + data[4:],
        lambda data: data.replace(b"data.tar.xz  ", b"data.tar.lz  "),
        lambda _: ar_of([("debian-binary", b"2.0\n")]),
        lambda data: data[:-20] + bytes(20),
    ],
)
def test_a_package_that_is_damaged(shop, spoil):
    shop.lock((spoil(make_deb()),))
    with pytest.raises(SekishoError) as caught:
        shop.build()
    assert isinstance(caught.value, BadInputError | CorruptError)
    assert "libsound1" in caught.value.where
    assert not list((shop.folder / "cache").glob(".*"))


def test_a_package_that_is_not_the_locked_one(shop):
    shop.lock((make_deb(),))
    row = locked(make_deb())
    (shop.folder / row.sha256).write_bytes(make_deb(version="1.2-4"))
    with pytest.raises(CorruptError, match=r"libsound1 1\.2-3 is not the locked file"):
        shop.build()


def test_a_package_that_the_base_has_itself(shop):
    """As after a rebase: the new base brought it along."""
    shop.lock((make_deb(),))
    shop.base = base_with(shop.folder, "Package: libsound1\nStatus: install ok installed\nVersion: 2.0\n")
    with pytest.raises(
        BadInputError, match=r"the base has libsound1 2\.0 itself, and debian\.lock has 1\.2-3"
    ) as caught:
        shop.build()
    assert caught.value.where == "images/small/debian.lock"
    assert not (shop.folder / "out").exists()


def test_two_packages_with_one_path(shop):
    other = {"./usr/lib/old.so": b"other"}
    shop.lock((make_deb(),), (make_deb("libnoise1", files=other), "libnoise1"))
    with pytest.raises(BadInputError, match="Debian's libnoise1 and Debian's libsound1") as caught:
        shop.build()
    assert caught.value.where == "/usr/lib/old.so"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "are not locked"),
        ("", "is for none"),
        ("# packages: other\n", "is for other"),
        ("# packages: libsound1\n", "libsound1 is not locked"),
        ("# packages: libsound1\nlibsound1=1 amd64\n", "not a line"),
        ("# packages: libsound1\n" + locked(b"x")._replace(path="pool/../x.deb").line(), "not a line"),
        ("# packages: libsound1\n" + 2 * (locked(b"x").line() + "\n"), "locked twice"),
    ],
)
def test_locks_that_do_not_count(tmp_path, text, says):
    if text is not None:
        (tmp_path / "debian.lock").write_text(text)
    with pytest.raises(BadInputError, match=says) as caught:
        read_debian_lock(definition(debian=("libsound1",)), tmp_path)
    assert "debian.lock" in caught.value.where
    assert "sekisho builder debian small" in caught.value.todo


def base_with(folder, status, release="VERSION_CODENAME=bookworm\n"):
    tar = tar_of(
        [(info_of("./var/lib/dpkg/status"), status.encode()), (info_of("./etc/os-release"), release.encode())], "gz"
    )
    (folder / "layer").write_bytes(tar)
    layer = Layer(folder / "layer", Descriptor(LAYER, hashlib.sha256(tar).hexdigest(), len(tar)), "0" * 64, "base")
    return write_layout(folder / "layout", [layer], {"created": "", "architecture": "amd64", "os": "linux"}, {})


HELD = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n"
URI = "'http://mirror.example/debian/{path}' {name}_{version}_amd64.deb {size} SHA256:{sha256}"


def apt(said, *, status=0, errors=""):
    asked = []

    def run(command, **_):
        asked.append(command)
        return Said(status, "" if command[1] == "update" else said, errors)

    return run, asked


def test_apt_chooses_against_the_base(tmp_path):
    row = locked(b"x")._replace(version="1:1.2-3")
    run, asked = apt(URI.format(**row._replace(version="1%3a1.2-3")._asdict()) + "\n")
    base = base_with(tmp_path, HELD)
    lock = lock_debian(definition(debian=("libsound1",)), base, "http://mirror.example/debian", lambda name: name, run)
    assert lock.debs == (row,)
    assert [command[1] for command in asked] == ["update", "install"]
    assert asked[1][-1] == "libsound1"
    (tmp_path / "debian.lock").write_text(lock.text())
    assert read_debian_lock(definition(debian=("libsound1",)), tmp_path) == lock


@pytest.mark.parametrize(
    ("said", "more", "release", "kind", "says"),
    [
        ("", {}, "VERSION_CODENAME=bookworm\n", BadInputError, "the base has libsound1 already"),
        ("libc6", {}, "VERSION_CODENAME=bookworm\n", BadInputError, "libc6 of the base would have to change"),
        (
            "",
            {"status": 100, "errors": "E: no such thing"},
            "VERSION_CODENAME=bookworm\n",
            UpstreamError,
            "no such thing",
        ),
        ("", {}, "ID=alpine\n", BadInputError, "is no Debian"),
    ],
)
def test_what_apt_cannot_choose(tmp_path, said, more, release, kind, says):
    rows = [locked(b"x"), *([locked(b"y", "libc6")] if said else [])] if said else []
    run, _ = apt("\n".join(URI.format(**row._asdict()) for row in rows), **more)
    base = base_with(tmp_path, HELD, release)
    with pytest.raises(kind, match=says) as caught:
        lock_debian(definition(debian=("libsound1",)), base, "http://mirror.example/debian", lambda name: name, run)
    assert caught.value.todo


def test_without_apt_or_a_mirror(tmp_path):
    base = base_with(tmp_path, HELD)
    with pytest.raises(MissingToolError, match="apt-get is not installed"):
        lock_debian(definition(debian=("libsound1",)), base, "http://mirror.example/debian", lambda _: None)
    with pytest.raises(MissingToolError, match="no Debian mirror"):
        lock_debian(definition(debian=("libsound1",)), base, None, lambda name: name)


def test_a_package_is_fetched_once_and_verified(tmp_path):
    data = make_deb()
    asked = []

    def serve(request):
        asked.append(str(request.url))
        return httpx2.Response(404) if "gone" in request.url.path else httpx2.Response(200, content=data)

    store = BlobStore(tmp_path / "store")
    mirror = httpx2.MockTransport(serve)
    for _ in range(2):
        assert fetch_deb(locked(data), "http://mirror.example/debian/", store, mirror).read_bytes() == data
    assert asked == ["http://mirror.example/debian/pool/main/libs/libsound1_1.2-3_amd64.deb"]
    with pytest.raises(CorruptError):
        fetch_deb(locked(b"another"), "http://mirror.example/debian", store, mirror)
    with pytest.raises(UpstreamError, match="cannot be had"):
        fetch_deb(locked(b"third")._replace(path="pool/gone.deb"), "http://mirror.example/debian", store, mirror)
    with pytest.raises(MissingToolError):
        fetch_deb(locked(b"third"), None, store, mirror)
