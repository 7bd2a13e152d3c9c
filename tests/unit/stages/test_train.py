import json
from pathlib import Path

import pytest

from sekisho.errors import ConflictError, RefusedError
from sekisho.ports import ContainerResult
from sekisho_stages.train import last_words, train
from tests.fakes import FakeContainers

IMAGE = f"reg.invalid/curated/sklearn@sha256:{'a' * 64}"


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "job" / "train.py"
    path.parent.mkdir()
    path.write_text("print('training')\n")
    return path


def _leaves(status=0, output="epoch 1\nepoch 2\n", **files):
    """Return an engine whose job leaves ``files`` in its writable folder."""

    def behave(task):
        (out,) = (mount.outside for mount in task.mounts if mount.writable)
        for name, value in files.items():
            Path(out, f"{name}.json").write_text(value if isinstance(value, str) else json.dumps(value))
        return ContainerResult(status=status, output=output)

    return FakeContainers(behave)


GOOD = {"metrics": {"accuracy": 0.9}, "sample": {"input": [1], "prediction": [0]}}


def test_a_job_gives_its_metrics_a_sample_and_its_last_words(tmp_path, script):
    result = train(_leaves(**GOOD), IMAGE, script, tmp_path / "out")
    assert result.metrics == {"accuracy": 0.9}
    assert result.sample == {"input": [1], "prediction": [0]}
    assert result.output == "epoch 1\nepoch 2"


def test_a_job_runs_without_network_on_a_script_that_it_cannot_change(tmp_path, script):
    engine = _leaves(**GOOD)
    train(engine, IMAGE, script, tmp_path / "out", timeout=60)
    (task,) = engine.tasks
    assert (task.image, task.command, task.network, task.timeout) == (IMAGE, ("python", "/job/train.py"), None, 60)
    assert {mount.inside: mount.writable for mount in task.mounts} == {"/job": False, "/outputs": True}
    assert task.environment == {"OUTPUT": "/outputs"}
    assert all(mount.outside.startswith("/") for mount in task.mounts)


def test_the_images_user_can_write_results(tmp_path, script):
    train(_leaves(**GOOD), IMAGE, script, tmp_path / "deep" / "out")
    assert (tmp_path / "deep" / "out").stat().st_mode & 0o777 == 0o777


def test_a_job_that_fails_is_refused_with_its_last_words(tmp_path, script):
    engine = _leaves(status=3, output="\n".join(f"line {number}" for number in range(50)))
    with pytest.raises(RefusedError, match="ended with status 3") as caught:
        train(engine, IMAGE, script, tmp_path / "out")
    assert "line 49" in caught.value.what
    assert "line 30" not in caught.value.what


@pytest.mark.parametrize("missing", ["metrics", "sample"])
def test_a_job_that_leaves_no_results_is_refused_with_the_files_name(tmp_path, script, missing):
    rest = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(RefusedError, match=f"no readable {missing}.json"):
        train(_leaves(**rest), IMAGE, script, tmp_path / "out")


def test_a_job_that_leaves_rubbish_is_refused(tmp_path, script):
    with pytest.raises(RefusedError, match=r"no readable metrics\.json"):
        train(_leaves(**{**GOOD, "metrics": "{"}), IMAGE, script, tmp_path / "out")


def test_results_of_another_job_are_not_mixed_up(tmp_path, script):
    engine = _leaves(**GOOD)
    train(engine, IMAGE, script, tmp_path / "out")
    with pytest.raises(ConflictError, match="not empty"):
        train(engine, IMAGE, script, tmp_path / "out")
    assert len(engine.tasks) == 1


@pytest.mark.parametrize(("output", "words"), [("", ""), ("a\nb\nc\n\n", "b\nc"), ("a", "a")])
def test_last_words_are_the_last_lines(output, words):
    assert last_words(output, 2) == words
