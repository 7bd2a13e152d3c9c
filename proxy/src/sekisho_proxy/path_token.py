"""A token in the path, ``/t/<token>/w/…``, which is how conda's clients send one where nothing else is set up.

It is taken out before anybody looks at the path: so it is in no log line, no error, no page and no redirect.
"""

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"/t/([!-.0-~]{1,512})(/(?:w|candidates/conda)/.*)", re.DOTALL)


def without_token(path: str, headers: Mapping[bytes, bytes]) -> tuple[str, Mapping[bytes, bytes]]:
    """Return the path as if it had no token, and the token as ``Authorization``, unless the request has one.

    Of an address at which nobody takes a token nothing is left that could be one.
    """
    if not path.startswith("/t/"):
        return path, headers
    match = _TOKEN.fullmatch(path)
    if match is None:
        return "/t/\N{HORIZONTAL ELLIPSIS}", headers
    return match[2], {b"authorization": b"Bearer " + match[1].encode(), **headers}
