"""The real command line in this process: with its own environment, and with what it printed."""

import sys
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from sekisho.cli import main


class Ran(NamedTuple):
    status: int
    out: str
    err: str


def run(*arguments: str, **environment: str | None) -> Ran:
    with CliRunner(env=environment).isolation() as (out, err, _):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        sys.stdout.flush()
        sys.stderr.flush()
    return Ran(ended.value.code, out.getvalue().decode(), err.getvalue().decode())
