"""The demo: from a request to a job in a closed zone, every part real.

python deploy/demo          run it (``make demo``)
python deploy/demo --keep   and leave the portal and the proxy up
python deploy/demo --stop   end what an earlier run kept, and forget its images
"""

import argparse
import json
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from closed import forget_images
from place import ROOT, CommandError, Place
from rich.text import Text
from services import Services, free_port
from show import NAMES, Show
from steps import Demo

from sekisho.errors import MissingToolError, SekishoError


def write_report(place: Place, show: Show, began: float) -> None:
    """Write build/demo/report.json: every step with its details, and the totals."""
    totals = {
        "seconds": round(time.monotonic() - began, 2),
        "steps": len(show.steps),
        "done": sum(row["status"] == "done" for row in show.steps),
        "reused": sum(row["reused"] for row in show.steps),
    }
    place.home.mkdir(parents=True, exist_ok=True)
    place.report.write_text(json.dumps({"steps": show.steps, "totals": totals}, indent=2) + "\n")


def main() -> int:
    """Run the demo; return its exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description="From a request to a job in a closed zone.")
    parser.add_argument("--keep", action="store_true", help="leave the portal and the proxy up, and print their links")
    parser.add_argument(
        "--stop",
        action="store_true",
        help="end what an earlier run kept, forget the images it pulled, and nothing else",
    )
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "demo", help="where everything is kept")
    given = parser.parse_args()

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being told to stop is as good as Ctrl-C
    place = Place(given.home.absolute())
    services = Services(place)
    services.stop_kept()
    if given.stop:
        with suppress(MissingToolError):  # no engine, no images
            forget_images()
        return 0
    place = place._replace(
        portal=free_port(place.portal), proxy=free_port(place.proxy), registry=free_port(place.registry)
    )
    services = Services(place)
    show = Show()
    began = time.monotonic()
    kept = False
    status = 1
    demo = Demo(place, services, show, keep=given.keep)
    try:
        demo.run()
        status, kept = 0, given.keep
    except (CommandError, SekishoError, OSError, TimeoutError) as error:
        show.console.print(Text(f"demo: {error}", style="red"))
        show.console.print(
            f"demo: mend that and run `make demo` again; it goes on where it stopped. Logs: {place.logs}"
        )
    except KeyboardInterrupt:
        show.console.print("demo: stopped; run `make demo` again and it goes on where it stopped")
        status = 130
    finally:
        write_report(place, show, began)
        services.stop(*(("sekisho",) if kept else ()))
        with suppress(SekishoError):
            demo.sweep()
    if len(show.steps) == len(NAMES):
        show.table()
    show.console.print(f"report: {place.report}")
    if kept:
        demo.print_links()
    return status


if __name__ == "__main__":
    sys.exit(main())
