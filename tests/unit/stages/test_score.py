import json
from pathlib import Path

import pytest

from sekisho.errors import RefusedError
from sekisho.ports import ContainerResult
from sekisho_stages.score import score, scoring_task, wait_until_healthy

SAMPLE = {"input": {"data": [[1, 2]]}, "prediction": [0]}


class FakeServer:
    """A running container that answers ``exec`` with what it was given, the last answer for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.commands = []

    def exec(self, command):
        self.commands.append(command)
        status, output = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return ContainerResult(status=status, output=output)

    def output(self):
        return "starting\nModuleNotFoundError: no module named model\n"


def test_the_server_runs_without_network_on_a_model_that_it_cannot_change():
    task = scoring_task("image", Path("entry/score.py"), Path("/models/churn"))
    assert task.network is None
    assert not any(mount.writable for mount in task.mounts)
    assert {mount.inside for mount in task.mounts} == {"/var/azureml-app/entry", "/var/azureml-app/azureml-models"}
    assert task.environment["AZUREML_MODEL_DIR"] == "/var/azureml-app/azureml-models"
    assert "/var/azureml-app/entry/score.py" in task.command
    assert all(Path(mount.outside).is_absolute() for mount in task.mounts)


def test_a_server_is_healthy_once_it_answers():
    server = FakeServer((1, "refused"), (1, "refused"), (0, "Healthy"))
    assert wait_until_healthy(server) >= 0
    assert len(server.commands) == 3
    assert server.commands[0][-1] == "http://127.0.0.1:5001/"


def test_a_server_that_never_answers_is_refused_with_its_last_words():
    with pytest.raises(RefusedError, match="ModuleNotFoundError"):
        wait_until_healthy(FakeServer((1, "refused")), timeout=0.01)


def test_a_prediction_is_put_beside_the_recorded_one():
    server = FakeServer((0, json.dumps({"prediction": [0]})))
    result = score(server, SAMPLE, healthy_after=1.5)
    assert (result.expected, result.predicted, result.agrees, result.seconds_to_healthy) == ([0], [0], True, 1.5)
    assert json.loads(server.commands[0][-1]) == SAMPLE["input"]


def test_another_prediction_does_not_agree():
    assert not score(FakeServer((0, '{"prediction": [1]}')), SAMPLE, healthy_after=1).agrees


def test_a_server_that_refuses_the_sample_is_refused_with_its_words():
    with pytest.raises(RefusedError, match="refused the sample: HTTP Error 500") as caught:
        score(FakeServer((1, "HTTP Error 500")), SAMPLE, healthy_after=1)
    assert "ModuleNotFoundError" in caught.value.what


@pytest.mark.parametrize("output", ["", "<html>", "[]", "{}", "null", '"text"'])
def test_an_answer_without_a_prediction_is_refused(output):
    with pytest.raises(RefusedError, match="no prediction"):
        score(FakeServer((0, output)), SAMPLE, healthy_after=1)
