"""The layer under the packages: the environment itself, virtual or conda, and the user's folder."""

from pathlib import Path

from sekisho.model import ImageDefinition
from sekisho_builder.assemble.conda_meta import META, history
from sekisho_builder.assemble.image_config import created
from sekisho_builder.assemble.layer import BuiltLayer, Owned
from sekisho_builder.assemble.layer_file import LayerFile
from sekisho_builder.assemble.layer_series import LayerForm, new_layer

BASE_PYTHON = "/usr/bin/python3"
"""The base's interpreter; the gate ``target`` checks that it is the one that the definition states."""


def build_skeleton(definition: ImageDefinition, target: Path) -> BuiltLayer:
    """Write the environment, and ``workdir`` owned by the image's user.

    A virtual environment is as PEP 405 wants it; a conda environment is what says that it is one: its packages bring
    the rest.
    """
    prefix = definition.prefix.strip("/")
    if definition.conda:
        return _build_conda(definition, f"{prefix}/{META}/history", target)
    minor = ".".join(map(str, definition.target.python_minor))
    config = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {definition.target.python}\n"
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
        _home(layer, definition)
    paths = [*links, "pyvenv.cfg"]
    owned = [Owned(f"{prefix}/{path}", "the virtual environment", "") for path in paths]
    return BuiltLayer(layer.digest, layer.diff_id, layer.size, layer.unpacked, owned)


def _build_conda(definition: ImageDefinition, path: str, target: Path) -> BuiltLayer:
    with new_layer(target, LayerForm.of(definition)) as layer:
        layer.data(path, history(definition.conda, created(definition)), mode=0o644)
        _home(layer, definition)
    owned = [Owned(path, "the conda environment", "")]
    return BuiltLayer(layer.digest, layer.diff_id, layer.size, layer.unpacked, owned)


def _home(layer: LayerFile, definition: ImageDefinition) -> None:
    uid, _, gid = definition.user.partition(":")
    if definition.workdir.strip("/"):
        layer.folder(definition.workdir.strip("/"), uid=int(uid), gid=int(gid or uid))
