"""conda's own code, which conda-lock carries, reads channels: JSON in, JSON out, in a process of its own.

It wants ``conda_package_handling``, which is not installed here, to ask it one thing: whether ``.conda`` can be read.
"""

import json
import sys
import types
import warnings


def _stand_in() -> None:
    package, api = types.ModuleType("conda_package_handling"), types.ModuleType("conda_package_handling.api")
    api.libarchive_enabled = True
    package.api = api
    sys.modules |= {package.__name__: package, api.__name__: api}


def main() -> None:
    """Read ``urls`` (each with its subdir) as ``fn``; answer with the records of each, or with what was raised."""
    warnings.simplefilter("ignore")
    _stand_in()
    from conda_lock._vendor.conda.base.context import reset_context
    from conda_lock._vendor.conda.core.subdir_data import SubdirData
    from conda_lock._vendor.conda.models.channel import Channel

    asked = json.load(sys.stdin)
    reset_context((asked["rc"],))
    found = {}
    for url in asked["urls"]:
        try:
            rows = SubdirData(Channel(url), repodata_fn=asked["fn"]).iter_records()
            found[url] = [[row.url, row.name, row.get("sha256") or ""] for row in rows]
        except Exception as error:  # noqa: BLE001 (whatever it is, whoever asked judges it)
            found[url] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
