import os
import time

import pytest

from sekisho.errors import BadInputError
from sekisho.lock import lock_digest
from sekisho.model import Target
from sekisho_builder.assemble import assemble
from sekisho_builder.assemble.layer_plan import BUCKETS, bucket, plan_layers
from tests.records import artifact
from tests.unit.builder.room import House, definition, lock_of
from tests.wheels import make_wheel


def conda(name, size=1):
    return artifact(name, size=size).model_copy(update={"kind": "conda", "filename": f"{name}-1-0.conda"})


SOURCE = "https://git.example/images"
NAMES = [f"package-{number}" for number in range(100)]


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_large_packages_stand_alone_and_the_rest_share_buckets():
    many = [artifact(name) for name in NAMES] + [artifact("big", size=9000), artifact("huge", size=90000)]
    plan = plan_layers(many, layers=60, large=9000)
    assert [[one.project for one in layer] for layer in plan[:2]] == [["big"], ["huge"]]
    assert len(plan) == 2 + BUCKETS
    assert sorted(one.project for layer in plan for one in layer) == sorted([*NAMES, "big", "huge"])


@pytest.mark.parametrize("layers", [1, 2, 16, 17, 20, 60])
def test_never_more_layers_than_allowed(layers):
    plan = plan_layers([artifact(name, size=10_000) for name in NAMES], layers=layers, large=1)
    assert len(plan) <= layers
    assert sum(map(len, plan)) == len(NAMES)


@pytest.mark.parametrize("layers", [2, 3, 20, 60])
def test_no_layer_holds_wheels_and_conda_packages(layers):
    many = [conda(name, size=size) for name, size in (("numpy", 9000), ("zlib", 1), *((n, 1) for n in NAMES))]
    many += [artifact(name, size=9000) for name in ("numpy", *NAMES)]
    plan = plan_layers(many, layers=layers, large=9000)
    kinds = [{one.kind for one in layer} for layer in plan]
    assert all(len(found) == 1 for found in kinds)
    assert kinds == sorted(kinds, key=min)
    assert len(plan) <= layers
    assert sum(map(len, plan)) == len(many)


def test_a_kind_has_a_layer_at_least():
    assert len(plan_layers([conda("zlib"), artifact("numpy")], layers=1, large=1)) == 2


def test_one_changed_or_added_package_changes_one_layer():
    before = plan_layers([artifact(name) for name in NAMES], layers=60, large=9000)
    bumped = [artifact(name, "9.9" if name == "package-7" else "2.1.0") for name in NAMES]
    for after in (
        plan_layers(bumped, layers=60, large=9000),
        plan_layers([artifact("new"), *bumped], layers=60, large=9000),
    ):
        changed = [new for new, old in zip(after, before, strict=True) if new != old]
        assert len(changed) <= 2
    assert bucket("numpy", 16) == bucket("numpy", 16) < 16


def test_the_order_of_the_lock_does_not_matter():
    many = [artifact(name) for name in NAMES]
    assert plan_layers(many, layers=60, large=5) == plan_layers(many[::-1], layers=60, large=5)


def test_a_second_assembly_asks_for_nothing(house):
    first = house.assemble(make_wheel("alpha"), make_wheel("beta"))
    asked = len(house.asked)
    second = house.assemble(make_wheel("alpha"), make_wheel("beta"))
    assert (first.built, first.reused) == (3, 0)
    assert (second.built, second.reused) == (0, 3)
    assert (first.manifest, asked) == (second.manifest, len(house.asked))
    assert [layer.reused for layer in first.layers] == [True, False, False, False]


def test_one_bumped_package_builds_one_layer(house):
    house.assemble(make_wheel("alpha"), make_wheel("beta"))
    house.asked.clear()
    made = house.assemble(make_wheel("alpha"), make_wheel("beta", "2.0"))
    assert (made.built, made.reused) == (1, 2)
    assert house.asked == ["beta"]
    assert next(layer.packages for layer in made.layers if not layer.reused) == ("beta 2.0",)


def test_blobs_of_the_image_before_are_gone(house):
    house.assemble(make_wheel("alpha"))
    house.assemble(make_wheel("alpha", "2.0"))
    layout = house.layout()
    assert len(list(layout.blob("").iterdir())) == len(layout.layers) + 2


def test_a_damaged_kept_layer_is_built_again(house):
    house.assemble(make_wheel("alpha"))
    for path in list((house.folder / "cache").glob("*.tar.gz")):
        path.unlink()
        path.write_bytes(b"half")
    made = house.assemble(make_wheel("alpha"), out="other")
    assert made.built == 2
    house.layout("other").verify()


def test_what_a_killed_assembly_left_is_swept_after_a_day(house):
    cache = house.folder / "cache"
    cache.mkdir()
    for name, age in ((".old.tar.gz.1", 2 * 86400), (".new.tar.gz.2", 60)):
        (cache / name).touch()
        os.utime(cache / name, (time.time() - age,) * 2)
    house.assemble(make_wheel("alpha"))
    assert [path.name for path in cache.glob(".*")] == [".new.tar.gz.2"]


def test_many_wheels_are_packed_by_several_processes_to_the_same_image(house):
    wheels = [make_wheel(name, files={f"{name}.bin": os.urandom(1_500_000)}) for name in ("alpha", "beta", "gamma")]
    made = house.assemble(*wheels, large_package=1000)
    one_by_one = [house.assemble(*wheels[:count], large_package=1000, cache="c2", out="o2") for count in (1, 2, 3)]
    assert made.manifest == one_by_one[-1].manifest
    assert house.progress[0][0] == 0
    assert house.progress[-1][0] == house.progress[-1][1]


def test_an_error_in_another_process_arrives_as_it_is(house):
    wheels = [make_wheel(name, files={f"{name}.bin": os.urandom(3_000_000)}) for name in ("alpha", "beta")]
    spoilt = make_wheel("gamma", record=b"nothing,,\n")
    with pytest.raises(Exception, match="RECORD") as caught:
        house.assemble(*wheels, spoilt, large_package=1)
    assert caught.value.where
    assert not list((house.folder / "cache").glob(".*"))


def test_config_and_annotations(house):
    more = {"environment": {"X": "1"}, "labels": {"team": "a"}, "description": "Small", "source": SOURCE}
    house.assemble(make_wheel("alpha"), **more)
    config, manifest = house.layout().config, house.layout().manifest
    assert config["created"] == "1980-01-01T00:00:00Z"
    assert config["config"]["Env"] == [
        "FROM_BASE=1", "PATH=/opt/venv/bin:/bin", "SEKISHO_IMAGE=small", "VIRTUAL_ENV=/opt/venv", "X=1",
    ]  # fmt: skip
    assert config["config"]["User"] == "1000:1000"
    assert config["config"]["WorkingDir"] == "/home/job"
    labels = config["config"]["Labels"]
    assert labels == {"base": "yes", **manifest["annotations"]}
    lock = lock_digest(lock_of([make_wheel("alpha")]))
    asked = definition(environment={"X": "1"}, labels={"team": "a"}, description="Small", source=SOURCE)
    assert manifest["annotations"] == {
        "team": "a",
        "dev.sekisho.lock": f"sha256:{lock}",
        "org.opencontainers.image.base.digest": f"sha256:{house.base.manifest_sha256}",
        "org.opencontainers.image.base.name": "some",
        "org.opencontainers.image.created": "1980-01-01T00:00:00Z",
        "org.opencontainers.image.description": "Small",
        "org.opencontainers.image.revision": f"sha256:{asked.digest()}",
        "org.opencontainers.image.source": SOURCE,
        "org.opencontainers.image.title": "small",
    }
    assert [row["created_by"] for row in config["history"]] == [
        "base",
        "sekisho: virtual environment",
        "sekisho: alpha 1.0",
    ]
    assert house.layout().lock == lock


def test_the_date_is_the_cut_off_of_the_packages(house):
    house.assemble(make_wheel("alpha"), **{"resolve-before": "2026-11-01T09:00:00+09:00"})
    assert house.layout().config["created"] == "2026-11-01T00:00:00Z"


@pytest.mark.parametrize("prefix", ["/", "/lib/venv", "/opt/../etc", "/opt//x", "/opt/" + "x" * 120, "/opt/a b"])
def test_prefixes_that_cannot_be(house, prefix):
    with pytest.raises(BadInputError):
        house.assemble(make_wheel("alpha"), prefix=prefix)


def test_a_lock_for_another_target(house, tmp_path):
    other = definition(target=Target(python="3.12.1", glibc="2.36"))
    with pytest.raises(BadInputError, match="the lock is for"):
        assemble(
            other, lock_of([make_wheel("alpha")]), house.base, lambda a: a, cache=tmp_path / "c", out=tmp_path / "o"
        )


def test_an_artifact_that_is_no_wheel(house, tmp_path):
    lock = lock_of([make_wheel("alpha")])
    source = lock.model_copy(update={"artifacts": (artifact("alpha", filename="alpha-1.0.tar.gz"),)})
    with pytest.raises(BadInputError, match="no wheel"):
        assemble(definition(), source, house.base, lambda a: a, cache=tmp_path / "c", out=tmp_path / "o")
