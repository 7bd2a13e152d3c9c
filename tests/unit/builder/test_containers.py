import gc

import pytest

from sekisho.containers import DockerContainers
from sekisho.errors import BadInputError, MissingToolError
from sekisho.ports import ContainerTask


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the SDK's own socket, when it finds nobody
def test_without_an_engine_the_error_says_what_to_start(tmp_path):
    engine = DockerContainers(f"unix://{tmp_path}/nowhere.sock")
    with pytest.raises(MissingToolError, match="no Docker engine answers") as caught:
        engine.run(ContainerTask(image="sha256:0", command=("true",)))
    assert "nowhere.sock" in caught.value.where
    assert "start the Docker service" in caught.value.todo
    del caught
    gc.collect()


def test_a_tag_is_never_pulled(tmp_path):
    with pytest.raises(BadInputError, match="by tag"):
        DockerContainers(f"unix://{tmp_path}/nowhere.sock").pull("host/name:latest")
