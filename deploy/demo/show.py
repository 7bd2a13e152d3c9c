"""What a person sees: progress while a step works, a line when it is done, a table at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

NAMES = (
    "start",
    "resolve",
    "judge",
    "approve",
    "lock",
    "assemble",
    "gate",
    "push",
    "run",
    "replica",
)
"""The ten steps, in order."""

_COLOURS = {"allow": "green", "review": "yellow", "deny": "red", "done": "green", "reused": "cyan", "failed": "red"}


class Show:
    """Keeps the steps for the report while it shows them."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console = Console(highlight=False, width=140)
        self.steps: list[dict[str, Any]] = []

    @contextmanager
    def step(self, title: str) -> Iterator["Step"]:
        """Show one step: its bar while it works, then how it ended. A failing step is kept as failed, and raised."""
        name = NAMES[len(self.steps)]
        step = Step(self, title)
        row: dict[str, Any] = {
            "name": name,
            "status": "failed",
            "seconds": 0.0,
            "reused": False,
            "details": step.details,
        }
        self.steps.append(row)
        began = time.monotonic()
        self.console.print(Text(f"{len(self.steps):>2}. {title}", style="bold"))
        try:
            with step.bar:
                yield step
            row["status"] = "done"
        except BaseException as error:
            step.details["error"] = str(error) or type(error).__name__
            raise
        finally:
            row["seconds"] = round(time.monotonic() - began, 2)
            row["reused"] = step.reused
        for line in step.lines:
            self.console.print(Text("    ") + line)

    def table(self) -> None:
        """Print the closing table."""
        table = Table(title="Sekisho, from a request to a job in a closed zone", title_justify="left")
        for title, justify in (("step", "left"), ("status", "left"), ("seconds", "right"), ("what came of it", "left")):
            table.add_column(title, justify=justify)  # type: ignore[arg-type]
        for number, row in enumerate(self.steps, 1):
            status = "reused" if row["reused"] and row["status"] == "done" else row["status"]
            told = str(row["details"].get("summary") or row["details"].get("error", "")).splitlines()
            table.add_row(
                f"{number:>2} {row['name']}",
                Text(status, style=_COLOURS[status]),
                f"{row['seconds']:.1f}",
                told[0] if told else "",
            )
        self.console.print(table)


class Step:
    """One step while it works."""

    def __init__(self, show: Show, title: str) -> None:
        self.details: dict[str, Any] = {}
        self.reused = False
        self.lines: list[Text] = []
        columns = (
            TextColumn("   "),
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self.bar = Progress(*columns, console=show.console, transient=True, disable=not show.console.is_terminal)
        self._task = self.bar.add_task(title, total=None)

    def progress(self, what: str, done: int, total: int) -> None:
        """Move the bar."""
        self.bar.update(self._task, description=what, completed=done, total=total or None)

    def say(self, line: str, style: str = "") -> None:
        """Show a line under the step once it is done."""
        self.lines.append(Text(line, style=style))

    def verdict(self, outcome: str, name: str, reasons: str) -> None:
        """Show one artifact's verdict."""
        self.lines.append(Text.assemble((f"{outcome:<7}", _COLOURS[outcome]), f"{name:<44} ", (reasons, "dim")))

    def wait(self, ask: Callable[[], Any], *, seconds: float, what: str) -> Any:  # noqa: ANN401
        """Ask until the answer is truthy, and return it; raise ``TimeoutError`` naming ``what`` after ``seconds``."""
        end = time.monotonic() + seconds
        while not (answer := ask()):
            if time.monotonic() > end:
                raise TimeoutError(f"{what} took more than {seconds:.0f} seconds")
            time.sleep(0.1)
        return answer
