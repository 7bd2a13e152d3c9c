"""What is installed beside this Python, as conda packages: real projects, noarch, with their own metadata."""

import importlib.metadata
import re
from functools import cache

from tests.channels.packages import Package, make_package


@cache
def installed(name: str, *, depends: tuple[str, ...] = ("python >=3.9",)) -> Package:
    """Return the pure Python project ``name`` as a noarch package, entry points and all.

    Raises ``ValueError`` for one that has native code: it would not be noarch.
    """
    distribution = importlib.metadata.distribution(name)
    files = {}
    for path in sorted(distribution.files or [], key=str):
        text = str(path)
        if text.startswith("..") or "__pycache__" in text or text.endswith(("/direct_url.json", "/INSTALLER", ".pth")):
            continue
        if text.endswith((".so", ".pyd")):
            raise ValueError(f"{name} has native code: {text}")
        files[f"site-packages/{text}"] = path.locate().read_bytes()
    scripts = distribution.entry_points.select(group="console_scripts")
    return make_package(
        re.sub(r"[-_.]+", "-", name).lower(),
        distribution.version,
        build="py_0",
        noarch="python",
        depends=depends,
        files=files,
        entry_points=tuple(f"{point.name} = {point.value}" for point in scripts),
        license=distribution.metadata.get("License-Expression") or "MIT",
        ending=".conda",
    )
