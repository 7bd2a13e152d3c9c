"""Documents cannot rot: what they say of commands, settings, rules and targets is compared with the code."""

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest

from sekisho.cli.frame import cli
from sekisho.sources import Source, parse_sources

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "how-to").glob("*.md"))]


def _generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(_generator().PAGES))
def test_reference_pages_are_what_the_code_makes(name):
    made = _generator().PAGES[name]()
    assert (ROOT / "docs" / "reference" / name).read_text() == made, "run `make docs`"


def test_every_page_that_can_be_made_is_made():
    found = _generator()
    makers = {maker for name, maker in vars(found).items() if name.endswith("_page")} - {found.schema_page}
    assert makers <= set(found.PAGES.values())


def _commands(path):
    """Every `sekisho …` line of the shell blocks of a document."""
    for block in re.findall(r"```(?:sh|console)\n(.*?)```", path.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            match = re.search(r"(?:^|\s|\()(sekisho .*)$", line.partition(" #")[0].strip())
            if match:
                yield match[1].rstrip(") &")


@pytest.mark.parametrize(("path", "line"), [(path, line) for path in TEXTS for line in _commands(path)])
def test_every_command_line_in_the_documents_parses(path, line):
    words = [word for word in shlex.split(re.sub(r"\$\(.*?\)|\$\w+|<[^>]*>", "x", line))[1:] if word]
    command, context = cli, click.Context(cli, info_name="sekisho")
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"{path.name}: no such command: {line}"
        command, words = found, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in {*known, "--help", "-h"}, f"{path.name}: {word} in {line}"


def test_documents_show_commands_at_all():
    assert len([line for path in TEXTS for line in _commands(path)]) > 10


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_make_target_in_the_documents_exists(path):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^\s*(?:\$ )?)make ([a-z0-9-]+)", path.read_text(), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_link_inside_the_project_leads_somewhere(path):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("name", ["sources.md", "in-house.md", "channels.md"])
def test_the_sources_that_documents_show_can_be_read(name):
    blocks = re.findall(r"```yaml\n(sources:.*?)```", (ROOT / "docs" / "how-to" / name).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        assert any(source.owns for source in parse_sources(block, where=name).sources)


def test_every_key_of_a_source_is_explained():
    text = (ROOT / "docs" / "how-to" / "sources.md").read_text()
    keys = {field.alias or name for name, field in Source.model_fields.items()}
    assert keys == set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
