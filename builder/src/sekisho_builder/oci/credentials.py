"""What ``docker login`` wrote down (config.json, ``auths``)."""

import base64
import binascii
import json
import os
from pathlib import Path

from sekisho_builder.oci.connection import Credentials


def docker_credentials(registry: str, folder: Path | None = None) -> Credentials | None:
    """Return the credentials for ``registry``, or nothing; credential helpers are not asked."""
    path = (folder or Path(os.environ.get("DOCKER_CONFIG", "~/.docker")).expanduser()) / "config.json"
    try:
        text = json.loads(path.read_bytes())["auths"][registry]["auth"]
        user, colon, password = base64.b64decode(text).decode().partition(":")
    except (OSError, ValueError, KeyError, TypeError, binascii.Error):
        return None
    return Credentials(user, password) if colon else None
