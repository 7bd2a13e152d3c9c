"""The curated image of a channel, where it cannot be yet: a person is told what is missing, where, and what to do."""

import shutil

from tests.integration.line.site import ROOT

IMAGE = "sklearn-conda"
ASK = f"do now: ask with `sekisho request --image {IMAGE}`, have it approved, and run this again"


def test_without_a_channel_or_a_lock_each_command_says_what_is_missing(make_site):
    site = make_site()
    for name in ("debian-12", IMAGE):
        shutil.copytree(ROOT / "images" / name, site.images / name)
    site.commit("An image of a channel")
    said = site.refused("lock", IMAGE, who="ana")
    assert f"sekisho: no request for image {IMAGE} has been approved and locked yet" in said
    assert f"where: images/{IMAGE}/image.yaml" in said
    assert ASK in said
    said = site.refused("builder", "archive", IMAGE)
    assert f"where: images/{IMAGE}/image.yaml" in said
    assert ASK in said
    done = site.run("request", "--image", IMAGE, "--reason", "tests", who="ana")
    assert done.returncode == 1
    assert "sekisho: no source is a channel, so no conda package can be had here\n" in done.stderr
    assert "do now: have a source of kind conda added (docs/how-to/channels.md)" in done.stderr
