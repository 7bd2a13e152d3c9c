"""The one command, ``sekisho``. Each installed distribution adds its sub-commands through entry points.

Exit status: 0 done; 1 refused or failed, with what to do now on standard error; 2 wrong usage.
"""

from sekisho.cli.frame import main

__all__ = ["main"]
