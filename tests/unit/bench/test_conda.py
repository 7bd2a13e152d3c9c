"""The synthetic channel of the benchmark, at a hundredth of its size, is read by the proxy as any other."""

import hashlib
import json

import msgspec
from backports import zstd

from bench.conda.synthetic import ASKED, TOP, Change, builds, needs_of, write_repodata, write_shards
from sekisho_proxy.conda.importing import Job, run
from sekisho_proxy.conda.shards import read_index, read_shard
from sekisho_proxy.conda.value import cleaned

SCALE = 0.022


def closure(needs, names):
    found, todo = set(names), list(names)
    while todo:
        new = set(needs[todo.pop()]) - found
        found |= new
        todo += new
    return found


def test_it_fans_out_as_the_real_one():
    needs = needs_of(SCALE)
    assert len(closure(needs, [TOP])) == 678
    assert 100 < len(closure(needs, ASKED)) < 250


def test_both_forms_hold_the_same_and_every_record_is_clean(tmp_path):
    made = list(builds(SCALE))
    count = write_repodata(tmp_path / "plain", made)
    write_shards(tmp_path / "sharded", made)
    whole = json.loads((tmp_path / "plain" / "repodata.json").read_bytes())
    assert count == len(whole["packages"]) + len(whole["packages.conda"])
    data = (tmp_path / "sharded" / "repodata_shards.msgpack.zst").read_bytes()
    index = read_index(data, url="http://x/linux-64/", subdir="linux-64")
    assert index.names.keys() == {one.name for one in made}
    digest = index.names["pandas"]
    shard = (tmp_path / "sharded" / f"{digest.hex()}.msgpack.zst").read_bytes()
    records, _ = read_shard(shard, digest, where="x")
    kept, refused = cleaned("pandas", "linux-64", records)
    assert (len(kept), refused) == (len(records), [])
    assert {filename: record.read() for filename, record in records} == {
        name: row
        for section in ("packages", "packages.conda")
        for name, row in whole[section].items()
        if row["name"] == "pandas"
    }


def test_an_import_costs_what_changed(tmp_path):
    (tmp_path / "state").mkdir()

    def take(name, change, old=""):
        made = list(builds(SCALE, change))
        write_repodata(tmp_path / name, made)
        job = Job(
            file=str(tmp_path / name / "repodata.json.zst"),
            packed=True,
            where=name,
            folder=str(tmp_path / "pieces"),
            old=str(tmp_path / "state" / old),
            new=str(tmp_path / "state" / name),
            seen=str(tmp_path / "seen.sqlite"),
            source="main",
            subdir="linux-64",
            now=1,
        )
        before = size()
        return run(job), size() - before

    def size():
        return sum(path.stat().st_size for path in (tmp_path / "pieces").glob("*"))

    first, written = take("first", Change())
    assert first.changed == first.names == 704
    again, more = take("again", Change(20), old="first")
    assert again.records - first.records == 20
    assert 0 < again.changed <= 20
    assert 0 < more < written / 10


def test_shards_are_named_by_their_hash(tmp_path):
    made = list(builds(SCALE))[:3]
    write_shards(tmp_path, made)
    for path in tmp_path.glob("*.msgpack.zst"):
        if path.name.startswith("repodata"):
            continue
        data = path.read_bytes()
        assert path.name.startswith(hashlib.sha256(data).hexdigest())
        assert msgspec.msgpack.decode(zstd.decompress(data)).keys() == {"packages", "packages.conda", "removed"}
