"""Run a program that somebody else wrote with bounds and without any network: it becomes that program.

Run as ``python -I -m sekisho_proxy.inspect.confined SECONDS PROGRAM …``; ends with 97 where the system allows nobody to
be without a network, so that the program never runs with one.
"""

import ctypes
import os
import resource
import sys

NO_NAMESPACE = 97
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # namespaces(7)
_MEMORY = 4 << 30
_FILE = 1 << 30
_OPEN_FILES = 256


def main() -> None:
    """Take everything away and go over to the program."""
    seconds, program = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NETWORK):
        sys.exit(NO_NAMESPACE)
    for limit, value in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_FSIZE, _FILE),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
    ):
        resource.setrlimit(limit, (value, value))
    os.nice(10)
    os.execv(program[0], program)  # noqa: S606 (the program that the settings name)


if __name__ == "__main__":
    main()
