"""A channel's one file is read anew where it changed, and as a whole wherever anything is in doubt."""

import asyncio
import io
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import msgspec
import pytest

from sekisho import zstd
from sekisho.errors import CorruptError
from sekisho_proxy.conda.catalogue import Catalogue, Growing, Pieces
from sekisho_proxy.conda.coming import Coming
from sekisho_proxy.conda.importing import Job, entirely, run
from sekisho_proxy.conda.worker import Worker
from tests.channels import zst

NAMES = [f"pkg{number:03}" for number in range(300)]


def repodata(changed=(), separators=(b",", b":")):
    comma, colon = separators
    sections = []
    for section, ending in (("packages", ".tar.bz2"), ("packages.conda", ".conda")):
        members = []
        for name in NAMES:
            for number in range(4 + (name in changed)):
                record = b'{"name":"%b","sha256":"%064x"}' % (
                    name.encode(),
                    int(name[3:]) * 100 + number * 10 + len(ending),
                )
                members.append(b'"%b-1.%d-0%b"%b%b' % (name.encode(), number, ending.encode(), colon, record))
        sections.append(b'"%b"%b{%b}' % (section.encode(), colon, comma.join(members)))
    return b'{"info"%b{}%b%b}' % (colon, comma, comma.join(sections))


@pytest.fixture
def read(tmp_path):
    """Read a text after what was read before; return what was done, the catalogue, and bytes that were written."""

    def do(data, *, packed=True):
        (tmp_path / "came").write_bytes(zst(data) if packed else data)
        pieces = tmp_path / "pieces"
        before = sum(path.stat().st_size for path in pieces.glob("*.pieces"))
        job = Job(
            file=str(tmp_path / "came"), packed=packed, where="here", folder=str(pieces), old=str(tmp_path / "old"),
            new=str(tmp_path / "new"), seen=str(tmp_path / "seen.sqlite"), source="main", subdir="noarch", now=1000,
        )  # fmt: skip
        done = run(job)
        (tmp_path / "new").rename(tmp_path / "old")
        catalogue = Catalogue.load((tmp_path / "old").read_bytes())
        return done, catalogue, sum(path.stat().st_size for path in pieces.glob("*.pieces")) - before

    return do


@pytest.mark.parametrize("packed", [True, False])
def test_of_a_change_only_what_changed_is_written(read, tmp_path, packed):
    first, _, size = read(repodata(), packed=packed)
    assert (first.names, first.records, first.changed) == (300, 2400, 300)
    done, catalogue, more = read(repodata(changed=("pkg007", "pkg299")), packed=packed)
    assert (done.records, done.changed) == (2404, 2)
    assert 0 < more < size / 50
    again, same, none = read(repodata(changed=("pkg007", "pkg299")), packed=packed)
    assert (again.changed, none, same.digests()) == (0, 0, catalogue.digests())
    assert read(repodata(), packed=packed)[0].changed == 2
    old, new = Pieces(tmp_path / "pieces").read(catalogue, "pkg007")
    assert [len(msgspec.json.decode(b"{%b}" % part)) for part in (old, new)] == [5, 5]


def test_a_record_that_changed_to_one_as_long_is_read_anew(read, tmp_path):
    text = repodata()
    read(text)
    done, catalogue, _ = read(text.replace(b"0007", b"0008", 1))
    assert done.changed >= 1
    kept = b"".join(part for name in catalogue.names for part in Pieces(tmp_path / "pieces").read(catalogue, name))
    assert kept.count(b"0008") == text.count(b"0008") + 1


def _unreadable(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x" + path.read_bytes()), _unreadable]
)
def test_without_its_outline_all_of_a_text_is_read(read, tmp_path, harm):
    _, known, size = read(repodata())
    [outline] = (tmp_path / "pieces").glob("*.outline")
    harm(outline)
    done, catalogue, more = read(repodata(changed=("pkg007",)))
    assert (done.records, done.changed) == (2402, 1)
    assert more >= size
    assert {name for name, digest in known.digests().items() if catalogue.digests()[name] != digest} == {"pkg007"}


def test_a_run_whose_kept_bytes_are_harmed_is_read_anew(read, tmp_path):
    read(repodata())
    [pieces] = (tmp_path / "pieces").glob("*.pieces")
    pieces.write_bytes(b" " * pieces.stat().st_size)
    done, catalogue, _ = read(repodata(changed=("pkg007",)))
    assert (done.records, done.changed) == (2402, 1)
    for name in catalogue.names:  # each is held to its digest
        assert any(Pieces(tmp_path / "pieces").read(catalogue, name))


def test_a_text_that_is_not_compact_is_read_as_well(read):
    _, plain, _ = read(repodata())
    assert plain.outline
    done, odd, _ = read(repodata(separators=(b", ", b": ")))
    assert (done.names, done.records, odd.outline) == (300, 2400, "")
    assert read(repodata())[1].digests() == plain.digests()


def test_who_unpacks_ahead_ends_with_who_reads(read):
    before = threading.active_count()
    with pytest.raises(CorruptError):
        read(repodata()[:-5] + os.urandom(5).hex().encode())
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(threading.active_count).result() == before + 1


def test_who_reads_loads_no_more_than_that_takes():
    loaded = "import sys, sekisho_proxy.conda.importing; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-I", "-c", loaded], capture_output=True, text=True, check=True)
    modules = said.stdout.split()
    assert "sekisho_proxy.conda.importing" in modules
    assert not {"pydantic", "asyncio", "sekisho.model"} & set(modules)


def test_a_text_cannot_say_what_stands_in_place_of_its_own_members(read, tmp_path):
    text = (
        b'{"packages":{"a-1-0.tar.bz2":{}},"packages.conda":{"b-1-0.conda":{}},'
        b'"removed":[],"pack\\u0061ges":{"packages in\\u0020its place":0},'
        b'"packages\\u002econda":{"packages.conda in\\u0020its place":0}}'
    )
    job = Job(
        file=str(tmp_path / "text"), packed=False, where="here", folder=str(tmp_path / "anew"), old="", new="",
        seen="", source="main", subdir="noarch", now=1000,
    )  # fmt: skip
    (tmp_path / "text").write_bytes(text)
    assert read(text)[1].digests() == entirely(job, None, Coming(None)).catalogue.digests() == {}


def test_what_is_refused_leaves_no_bytes_behind(read, tmp_path):
    bad = repodata().replace(b'"info":{}', b'"info":{"subdir":"\xff"}')
    for _ in range(2):
        with pytest.raises(CorruptError):
            read(bad)
    assert not list((tmp_path / "pieces").glob("*.pieces"))
    read(repodata())
    before = {path: path.stat().st_size for path in (tmp_path / "pieces").iterdir()}
    with pytest.raises(CorruptError):
        read(bad.replace(b"pkg007", b"pkg301"))
    assert {path: path.stat().st_size for path in (tmp_path / "pieces").iterdir()} == before


@pytest.fixture(scope="module")
def long():
    """Return a text that is long even when it is packed, packed."""
    rows = (
        b'"%b-2.%d-0.conda":{"sha256":"%b"}' % (name.encode(), number, os.urandom(32).hex().encode())
        for name in NAMES
        for number in range(200)
    )
    return zst(b'{"info":{},"packages.conda":{%b}}' % b",".join(rows))


class Arriving:
    """A file that comes step by step, and who reads along."""

    def __init__(self, folder):
        self.folder = folder
        self.came = folder / "came"
        self.worker = Worker(self._prepare)

    async def _prepare(self):
        return Job(
            file=str(self.came), packed=True, where="here", folder=str(self.folder / "pieces"), source="main",
            old=str(self.folder / "old"), new=str(self.folder / "new"), seen=str(self.folder / "seen.sqlite"),
            subdir="noarch",
        )  # fmt: skip

    async def bring(self, data):
        """Have a file come; more of it comes after what was there was read."""
        self.worker.begin()
        self.came.write_bytes(b"")
        for at in range(0, len(data), 1 << 20):
            with self.came.open("ab") as file:
                file.write(data[at : at + (1 << 20)])
                self.worker.tell(file.tell())
            if at:
                await self._read_along()

    async def _read_along(self):
        for _ in range(2000):
            if any(path.stat().st_size for path in (self.folder / "pieces").glob("*.pieces")):
                return
            await asyncio.sleep(0.01)
        pytest.fail("nothing was read of a file that still comes")

    def written(self):
        return {path.name: path.stat().st_size for path in (self.folder / "pieces").glob("*.pieces")}


def test_a_file_is_read_while_it_comes(long, tmp_path, read):
    async def do():
        arriving = Arriving(tmp_path / "along")
        async with arriving.worker:
            await arriving.bring(long[: len(long) // 2])
            await arriving.bring(long)  # from its first byte, as after a connection that broke
            return await arriving.worker.do(2000), arriving.written()

    (tmp_path / "along").mkdir()
    assert len(long) > 2 << 20
    done, written = asyncio.run(do())
    assert (done.error, done.names, done.records) == ("", 300, 60_000)
    expected, _, size = read(zstd.ZstdDecompressor().decompress(long))
    assert (done, sum(written.values())) == (expected, size)  # what came in vain left nothing behind
    with closing(sqlite3.connect(tmp_path / "along" / "seen.sqlite")) as stamps:
        assert stamps.execute("SELECT DISTINCT since FROM names").fetchall() == [(2000,)]


def test_a_file_that_does_not_come_whole_leaves_nothing(long, tmp_path):
    async def do():
        arriving = Arriving(tmp_path)
        async with arriving.worker:
            await arriving.bring(long)
        return arriving.written()

    assert asyncio.run(do()) == {}
    assert not [path.name for path in tmp_path.iterdir() if path.name not in {"came", "pieces"}]


def test_a_file_of_which_no_more_is_told_did_not_come_whole():
    coming = Coming(io.BytesIO(b"\n\n170"))
    assert coming.more()
    with pytest.raises(CorruptError, match="did not come whole"):
        coming.end()
    assert Coming(io.BytesIO(b"\n170\n\n")).end() == 170


def test_what_a_killed_process_wrote_is_taken_back_by_the_next(read, tmp_path):
    read(repodata())
    [pieces] = (tmp_path / "pieces").glob("*.pieces")
    before = pieces.read_bytes()
    for _ in range(2):
        killed = Growing(pieces)
        assert killed.append(b"x" * 99) == len(before)
        os.close(killed._handle)
    _, catalogue, _ = read(repodata(changed=("pkg007",)))
    assert pieces.read_bytes().startswith(before)
    assert b"x" * 99 not in pieces.read_bytes()
    assert not list((tmp_path / "pieces").glob("*.length"))
    for name in catalogue.names:
        Pieces(tmp_path / "pieces").read(catalogue, name)
