"""``sekisho-conda``: what conda-lock asks of a ``conda`` executable, answered by py-rattler.

It is no conda: it solves without installing, tells what a prefix holds, installs an explicit file, and runs a program
of a prefix. It is called ``sekisho-conda`` so that nobody takes it for another one. Its caller reads what it prints:
py-rattler may crash while an interpreter ends, so this process ends by ``os._exit`` as soon as all is said.
"""

from sekisho_builder.conda_command.command import main

__all__ = ["main"]
