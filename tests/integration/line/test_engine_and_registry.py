"""An engine or a registry that is not there: the image waits at that step, and goes on from it."""

import os

import pytest

from tests.integration.line.site import kinds


def failed(site, image="tool"):
    """Ask for an image that the policy allows, and return what the command says when it fails."""
    said = site.refused("request", "--image", image, "--wait", who="ana")
    return site.newest(), said


def test_without_an_engine_an_image_fails_at_the_gates_and_keeps_what_was_made(make_site, tiny, tmp_path):
    site = make_site(registry="127.0.0.1:9")
    site.define("tool", ["alpha"], tiny)
    status, said = failed(site)
    assert "no Docker engine answers: " in said
    assert f"where: request {status['id']}, gate: DOCKER_HOST, or the default socket" in said
    assert "do now: start the Docker service, and see that this user may use its socket; then go on with" in said
    assert status["problem"]["code"] == "missing-tool"
    assert kinds(status)[-3:] == ["locked", "assembled", "failed"]
    site.settled()
    made = status["assembly"]["manifest"]

    again = site.refused("status", status["id"], "--retry", "--wait", who="ana")
    assert "no Docker engine answers" in again
    status = site.status(status["id"])
    assert status["assembly"]["manifest"] == made
    assert status["assembly"]["built"] == 0
    assert status["assembly"]["fetched"] == 0
    site.settled()


@pytest.mark.docker
def test_after_the_engine_is_back_a_retry_delivers(make_site, engine, bases, real_registry):
    real_registry.start()
    site = make_site(registry=real_registry.name, base_cache=bases)
    site.define("tool", ["alpha"], {"debian": "debian-12-python"})
    status, said = failed(site)
    assert "no Docker engine answers" in said
    site.down()
    site.engine = os.environ.get("DOCKER_HOST")
    site.up()
    assert site.status(status["id"])["state"] == "failed"  # a person decides when to try again
    said = site.ok("status", status["id"], "--retry", "--wait", who="ana").stdout
    assert f"request {status['id']}: delivered" in said
    image = site.status(status["id"])["image"]
    assert f"image: {real_registry.name}/curated/tool@sha256:{image['manifest']}" in said
    site.settled()


@pytest.mark.docker
def test_a_registry_that_refuses_or_is_gone_fails_the_push_and_a_retry_delivers(
    make_site, engine, bases, registry, real_registry
):
    name = f"127.0.0.1:{registry.port}"
    site = make_site(up=False, registry=name, base_cache=bases)
    site.engine = os.environ.get("DOCKER_HOST")
    site.define("tool", ["alpha"], {"debian": "debian-12-python"})
    site.up()
    registry.app.status = 401
    status, said = failed(site)
    assert f"the registry refused HEAD /v2/curated/tool/manifests/sha256:{status['assembly']['manifest']} (401)" in said
    assert f"log in with `docker login {name}`" in said
    assert kinds(status)[-3:] == ["assembled", "gated", "failed"]

    where = f"where: request {status['id']}, push: {name}, repository curated/tool"
    for refusal in (500, 507):
        registry.app.status = refusal
        said = site.refused("status", status["id"], "--retry", "--wait", who="ana")
        assert f"the registry answered {refusal}" in said
        assert where in said
        assert "what was sent stays sent" in said

    registry.stop()
    said = site.refused("status", status["id"], "--retry", "--wait", who="ana")
    assert "Connection refused" in said
    assert where in said
    assert site.status(status["id"])["problem"]["code"] == "upstream"
    site.settled()

    real_registry.port = registry.port
    real_registry.start()
    said = site.ok("status", status["id"], "--retry", "--wait", who="ana").stdout
    assert f"request {status['id']}: delivered" in said
    after = site.status(status["id"])
    assert after["gates"]["reused"] is True
    assert after["image"]["sent"] > 0
    assert kinds(after).count("resolved") == 1
    site.settled()
