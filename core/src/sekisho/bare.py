"""Foreign text without the logins and tokens that addresses in it may carry: what of it may be shown, or logged."""

import re

_PIECE = re.compile(r"(//)?([^/\s]+)")
_BEFORE_USER = re.compile(r""".*['"=(\[<,]""")
_TOKEN = re.compile(r"(?<=/t/)[^/\s]+")
"""conda's way to carry a token."""


def bare(said: object) -> str:
    """Return what was said, without logins and tokens. Cut it short afterwards: half a login is not seen for one.

    A login stands before a host (RFC 3986, section 3.2.1), whether a scheme is written or left out, as in
    ``user:secret@host/path``.
    """
    return _TOKEN.sub("…", _PIECE.sub(_without_login, str(said)))


def _without_login(found: re.Match[str]) -> str:
    slashes, piece = found[1] or "", found[2]
    login, there, host = piece.rpartition("@")
    if not there:
        return found[0]
    if slashes:
        return f"{slashes}{host}"
    user, colon, _ = login.partition(":")
    if not colon:
        return piece
    before = _BEFORE_USER.match(user)
    return f"{before[0] if before else ''}{host}"
