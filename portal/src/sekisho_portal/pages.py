"""The pages, plain: list, show, ask, approve, deny. Everything they do is in the JSON API too."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import jinja2
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from sekisho.channels import channels_of
from sekisho.errors import BadInputError, RefusedError, SekishoError
from sekisho.model import EVERYONE, node_of, read_node
from sekisho.tokens import Identity, Tokens
from sekisho_portal.access import COOKIE, House, check_form, form_key, house, visitor
from sekisho_portal.api import plain
from sekisho_portal.asked import asked_in
from sekisho_portal.chain import broken
from sekisho_portal.deciding import BREAKABLE, LONGEST_BREAK
from sekisho_portal.demand import is_approved_since
from sekisho_portal.fields import end_of, scope_of
from sekisho_portal.usual import usual
from sekisho_portal.wording import in_bytes

_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; img-src 'self'"
)
_ROWS = 100
_OURS = re.compile(r"/(?!/)[!-\[\]-~]*")
"""A path, perhaps with a query. Browsers take ``//`` and a backslash for the beginning of another host."""

_TEMPLATES = Path(__file__).with_name("templates")
_STYLE = _TEMPLATES / "style.css"
_ENGINE = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_TEMPLATES),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENGINE.filters["size"] = in_bytes

pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
At = Annotated[House, Depends(house)]


def page(request: Request, template: str, who: Identity | None, *, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401
    """Render a page, with headers that let no foreign script, frame or form near it."""
    shown = {
        "broken": _broken(request) if who else [],
        "relaxed": _relaxed(request) if who else {},
        "unusable": house(request).snapshots.problem if who else None,
        **values,
    }
    html = _ENGINE.get_template(template).render(who=who, form_key=form_key(request), **shown)
    headers = {
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(html, status_code=status, headers=headers)


def _broken(request: Request) -> list[dict[str, Any]]:
    """Return what broken glass lets in now; every page says so."""
    at = house(request)
    try:
        return broken(at.snapshots.current(), at.desk.clock())
    except SekishoError:
        return []


def _relaxed(request: Request) -> Mapping[str, str]:
    """Return the workspaces that do not enforce; every page says so."""
    try:
        return house(request).snapshots.current().policy.relaxed()
    except SekishoError:
        return {}


def _back(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303)


def _to_login(request: Request) -> RedirectResponse:
    """Send a visitor to the form for a token, and from there to what they wanted to see."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return _back("/login" if wanted == "/" else f"/login?then={quote(wanted, safe='/')}")


def _known(request: Request, tokens: Tokens, key: str) -> Identity:
    check_form(request, key)
    who = visitor(request, tokens)
    if who is None:
        raise RefusedError("you are not logged in", todo="log in and send the form again")
    return who


@pages.get("/style.css")
def stylesheet() -> Response:
    """Return the style of all pages."""
    return Response(_STYLE.read_bytes(), media_type="text/css")


@pages.get("/login")
def login(at: At, request: Request, then: str = "/") -> HTMLResponse:
    """Show the form for a token."""
    return page(request, "login.html", visitor(request, at.tokens), then=then)


@pages.post("/login")
def log_in(at: At, request: Request, token: Annotated[str, Form()], then: Annotated[str, Form()] = "/") -> Response:
    """Take a token, and keep it in a cookie that no script reads; go on to ``then`` if that is a page of ours."""
    at.tokens.identify(token.strip())
    answer = _back(then if _OURS.fullmatch(then) else "/")
    secure = urlsplit(str(request.base_url)).scheme == "https"
    answer.set_cookie(COOKIE, token.strip(), httponly=True, samesite="strict", secure=secure, max_age=8 * 3600)
    return answer


@pages.post("/logout")
def log_out(request: Request, key: Annotated[str, Form()]) -> Response:
    """Forget the token."""
    check_form(request, key)
    answer = _back("/login")
    answer.delete_cookie(COOKIE)
    return answer


@pages.get("/")
def index(at: At, request: Request) -> Response:
    """Show all requests."""
    who = visitor(request, at.tokens)
    if who is None:
        return _to_login(request)
    rows = [standing.plain(at.desk.link(standing.id)) for standing in at.desk.all()]
    return page(request, "requests.html", who, rows=rows)


@pages.get("/demand")
def demand(
    at: At,
    request: Request,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    served: Annotated[bool, Query()] = False,  # noqa: FBT002 (a query parameter)
) -> Response:
    """Show what was refused, the most wanted first; with ``served``, what ``enforce`` would refuse."""
    who = visitor(request, at.tokens)
    if who is None:
        return _to_login(request)
    total, rows = at.desk.demand.most_wanted(limit=_ROWS, offset=offset, served=served)
    shown = [(row, is_approved_since(row, at.snapshots.about(row.kind, row.project))) for row in rows]
    return page(request, "demand.html", who, rows=shown, total=total, offset=offset, step=_ROWS, served=served)


@pages.get("/advisories")
def advisories(at: At, request: Request) -> Response:
    """Show how old the feeds are, and what is approved and affected."""
    who = visitor(request, at.tokens)
    if who is None:
        return _to_login(request)
    known = at.desk.feeds.plain(at.snapshots.current().policy)
    return page(request, "advisories.html", who, known=known, rows=at.desk.affected(), stated=at.desk.stated())


@pages.post("/advisories/state")
def state(at: At, request: Request, key: Annotated[str, Form()], digest: Annotated[str, Form()]) -> Response:
    """Say the same as somebody else did of an advisory."""
    at.desk.state_the_same(_known(request, at.tokens, key), digest)
    return _back("/advisories")


@pages.post("/advisories/revoke")
def revoke(
    at: At,
    request: Request,
    key: Annotated[str, Form()],
    what: Annotated[str, Form()],
    workspace: Annotated[str, Form()],
    reason: Annotated[str, Form()],
) -> Response:
    """Take back what is affected."""
    who = _known(request, at.tokens, key)
    at.desk.revoke(who, what, reason=reason, workspace=workspace)
    return _back("/advisories")


@pages.get("/requests/new")
def new(at: At, request: Request, project: str = "") -> Response:
    """Show the form for a request, filled in as the visitor's newest one was."""
    who = visitor(request, at.tokens)
    workspace, target = usual(at.desk.all(), who.name if who else None)
    name = project[:200]
    conda = name.removeprefix("conda:") if name.startswith("conda:") else ""
    typed = {
        "requirements": "" if conda else name,
        "conda": conda,
        "python": target.python,
        "glibc": target.glibc,
        "arch": target.arch,
        "workspace": workspace,
    }
    return page(request, "new.html", who, project=name, channels=_channels(at), typed=typed)


def _channels(at: House) -> list[str]:
    """Return the channels that can be asked for packages, in order."""
    try:
        return list(channels_of(at.snapshots.current().sources))
    except SekishoError:
        return []


@pages.post("/requests/new")
def ask(
    at: At,
    request: Request,
    python: Annotated[str, Form()],
    glibc: Annotated[str, Form()],
    key: Annotated[str, Form()],
    reason: Annotated[str, Form()] = "",
    workspace: Annotated[str, Form()] = EVERYONE,
    arch: Annotated[str, Form()] = "x86_64",
    requirements: Annotated[str, Form()] = "",
    conda: Annotated[str, Form()] = "",
    channels: Annotated[str, Form()] = "",
) -> Response:
    """Take a request; the lines are read as those of a requirements file, and as match specs.

    What cannot be taken is shown again as it was typed, with what is wrong.
    """
    who = _known(request, at.tokens, key)
    target = {"python": python, "glibc": glibc, "arch": arch}
    about = {"reason": reason, "workspace": workspace}
    lines = {"requirements": requirements, "conda": conda, "channels": channels}
    try:
        return _back(f"/requests/{at.desk.ask(who, {'target': target, **about, **asked_in(**lines)}).id}")
    except BadInputError as error:
        typed = {**target, **about, **lines}
        values = {"channels": _channels(at), "typed": typed, "problem": error.diagnostics()}
        return page(request, "new.html", who, status=error.http_status, **values)


@pages.get("/requests/{request_id}")
def show(at: At, request: Request, request_id: str) -> Response:
    """Show a request, with what can be decided."""
    who = visitor(request, at.tokens)
    if who is None:
        return _to_login(request)
    row = plain(at, request_id)
    first = at.snapshots.first_source(row["request"].get("kind", "pypi"))
    return page(
        request, "request.html", who, row=row, first_source=first, breakable=BREAKABLE, longest_break=LONGEST_BREAK
    )


@pages.post("/requests/{request_id}/break-glass")
def break_glass(
    at: At,
    request: Request,
    request_id: str,
    key: Annotated[str, Form()],
    project: Annotated[str, Form()],
    hours: Annotated[int, Form()],
    reason: Annotated[str, Form()],
) -> Response:
    """Admit one artifact of a request at once, for hours."""
    who = _known(request, at.tokens, key)
    project = node_of(*read_node(project))
    at.desk.break_glass(who, request_id, project=project, hours=hours, reason=reason)
    return _back(f"/requests/{request_id}")


@pages.post("/requests/{request_id}/{action}")
def decide(
    at: At,
    request: Request,
    request_id: str,
    action: str,
    key: Annotated[str, Form()],
    reason: Annotated[str, Form()],
    closure: Annotated[str | None, Form()] = None,
    expires: Annotated[str, Form()] = "",
    scope: Annotated[str, Form()] = "",
) -> Response:
    """Take a decision."""
    who = _known(request, at.tokens, key)
    if action == "approve":
        at.desk.approve(who, request_id, reason=reason, expires=end_of(expires), closure=closure, scope=scope_of(scope))
    elif action == "deny":
        at.desk.deny(who, request_id, reason=reason)
    elif action == "ask-back":
        at.desk.ask_back(who, request_id, question=reason)
    elif action == "answer":
        at.desk.answer(who, request_id, text=reason)
    elif action == "revoke":
        at.desk.revoke(who, at.desk.approval(request_id), reason=reason)
    else:
        raise RefusedError(f"a request cannot be {action[:20]!r}")
    return _back(f"/requests/{request_id}")
