"""``sekisho stage``: run a stage of the workflow on an image, named by digest, with no network."""

import json
from pathlib import Path

import click

from sekisho.cli.frame import emit, json_option
from sekisho.containers import DockerContainers
from sekisho.errors import RefusedError
from sekisho.settings import load_settings
from sekisho_stages import score as scoring
from sekisho_stages import train as training

_SCRIPT = click.option(
    "--script", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What to run."
)


@click.group()
def stage() -> None:
    """Run stages of the machine-learning workflow on images, without any network."""


@stage.command()
@click.argument("image")
@json_option
def pull(image: str, *, as_json: bool) -> None:
    """Pull IMAGE (host/name@sha256:…) into the container engine."""
    found = DockerContainers(owner=load_settings().owner).pull(image)
    emit({"image": image, "id": found}, as_json=as_json, text=lambda: f"{image}: {found}")


@stage.command()
@click.argument("image")
@_SCRIPT
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where results go.")
@json_option
def train(image: str, script: Path, out: Path, *, as_json: bool) -> None:
    """Run a training job on IMAGE; it leaves a model, metrics.json and sample.json in --out."""
    result = training.train(DockerContainers(owner=load_settings().owner), image, script, out)
    said = ", ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())
    emit(result.model_dump(mode="json"), as_json=as_json, text=lambda: f"trained: {said}")


@stage.command()
@click.argument("image")
@_SCRIPT
@click.option(
    "--model", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="The model."
)
@click.option(
    "--sample", required=True, type=click.Path(exists=True, path_type=Path), help="A sample.json that training left."
)
@json_option
def score(image: str, script: Path, model: Path, sample: Path, *, as_json: bool) -> None:
    """Start the inference server on IMAGE and compare its answer with the prediction that training recorded."""
    with DockerContainers(owner=load_settings().owner).serve(scoring.scoring_task(image, script, model)) as server:
        healthy = scoring.wait_until_healthy(server)
        result = scoring.score(server, json.loads(sample.read_bytes()), healthy_after=healthy)
    if not result.agrees:
        raise RefusedError(f"the server predicts {result.predicted}, training recorded {result.expected}")
    body = {**result.model_dump(mode="json"), "agrees": result.agrees}
    emit(body, as_json=as_json, text=lambda: f"the server predicts {result.predicted}, as training recorded")
