"""The layer under the packages: the virtual environment itself, and the user's folder."""

from pathlib import Path

from sekisho.model import ImageDefinition
from sekisho_builder.assemble.layer import BuiltLayer, Owned
from sekisho_builder.assemble.layer_series import LayerForm, new_layer

BASE_PYTHON = "/usr/bin/python3"
"""The base's interpreter; the gate ``target`` checks that it is the one that the definition states."""


def build_skeleton(definition: ImageDefinition, target: Path) -> BuiltLayer:
    """Write a virtual environment as PEP 405 wants it, and ``workdir`` owned by the image's user."""
    prefix = definition.prefix.strip("/")
    minor = ".".join(map(str, definition.target.python_minor))
    config = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {definition.target.python}\n"
    uid, _, gid = definition.user.partition(":")
    links = {
        "bin/python": BASE_PYTHON,
        "bin/python3": "python",
        f"bin/python{minor}": "python",
        "lib64": "lib",
    }
    with new_layer(target, LayerForm.of(definition)) as layer:
        for path in ("bin", "include", f"lib/python{minor}/site-packages"):
            layer.folder(f"{prefix}/{path}")
        for path, to in links.items():
            layer.link(f"{prefix}/{path}", to)
        layer.data(f"{prefix}/pyvenv.cfg", config.encode(), mode=0o644)
        if definition.workdir.strip("/"):
            layer.folder(definition.workdir.strip("/"), uid=int(uid), gid=int(gid or uid))
    paths = [*links, "pyvenv.cfg"]
    owned = [Owned(f"{prefix}/{path}", "the virtual environment", "") for path in paths]
    return BuiltLayer(layer.digest, layer.diff_id, layer.size, layer.unpacked, owned)
