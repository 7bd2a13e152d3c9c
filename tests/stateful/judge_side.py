"""The judge of what is at no door: what an operator and the builder ask, and what must give files to neither."""

import json
import re

from tests.stateful.judge_files import fetchable
from tests.stateful.messages import Answer, Asked
from tests.stateful.oracle import no_leak, well_formed
from tests.stateful.pool import BY_PATH, POOL
from tests.stateful.reading import rows
from tests.stateful.view import LeakError
from tests.stateful.world import World


def judge_side(world: World, asked: Asked, answer: Answer) -> str:
    """Judge an answer of a route that has no file, no hash and no name of a file to give."""
    no_leak(world, asked, answer, None)
    well_formed(asked, answer)
    if world.outside.strays:
        raise LeakError(world.outside.strays[0])
    if asked.path in {"/metrics", "/healthz", "/readyz"}:
        assert not [item.project for item in POOL.values() if item.project.encode() in answer.body], asked
    return f"{answer.status} beside"


def judge_candidates(world: World, asked: Asked, answer: Answer) -> str:
    """Judge the candidate mount: without the token nothing; with it what is not denied, and never a file."""
    no_leak(world, asked, answer, None)
    well_formed(asked, answer)
    if world.outside.strays:
        raise LeakError(world.outside.strays[0])
    if not asked.header("authorization"):
        assert answer.status == 401, f"{asked} is answered {answer.status}"
        return "401 candidates"
    kind, rest = re.fullmatch(r"/candidates/(simple|files)/(.*)", asked.path).groups()
    if kind == "simple":
        return _page(world, asked, answer, rest.strip("/"))
    source, _, path = rest.partition("/")
    item = next(one for one in BY_PATH[path.removesuffix(".metadata")] if one.source == source)
    if path == item.where:
        assert answer.status == 403, f"{asked} is answered {answer.status}"
        return "403 candidates"
    return _metadata(world, asked, answer, item)


def _page(world: World, asked: Asked, answer: Answer, project: str) -> str:
    """A page is that of one source that may be asked, whole, without what is denied."""
    tree = world.model.tree
    theirs = {
        source: [item for item in POOL.values() if (item.source, item.project) == (source, project)]
        for source in tree.asked(project)
    }
    if answer.status == 200:
        found = {row.sha256 for row in rows(asked.target, answer)}
        could = [
            {item.sha256 for item in those if not tree.denies_name(item.key)} for those in theirs.values() if those
        ]
        if found - set().union(*could):
            raise LeakError(
                f"{asked} lists what is denied, or not there to be asked for: {found - set().union(*could)}"
            )
        assert found in could, f"{asked} lists {found}, which is no source's page"
        return "200 candidates"
    healthy = all(world.outside.faults[source] in {"", "attack", "own", "endless"} for source in theirs)
    assert answer.status in {404, 502}, f"{asked} is answered {answer.status}"
    assert not healthy or not any(theirs.values()), f"{asked} could be served, and is answered {answer.body!r}"
    return f"{answer.status} candidates"


def _metadata(world: World, asked: Asked, answer: Answer, item) -> str:
    if answer.status == 200:
        if world.model.tree.denies(item.key):
            raise LeakError(f"{asked} gives the metadata of what is denied")
        if answer.body != item.metadata:
            raise LeakError(f"{asked} gives other metadata than that of {item}")
        return "200 candidate metadata"
    told = json.loads(answer.body)
    could = fetchable(world, item) and item.metadata and not world.model.tree.denies(item.key)
    could = could and world.model.tree.asked(item.project) == [item.source]
    usual = world.outside.faults[item.source] == "" and item.sound
    assert not (could and usual), f"{asked} could be served, and is answered {told}"
    assert answer.status in {404, 502, 503}, f"{asked} is answered {answer.status}"
    return f"{answer.status} candidate metadata"
