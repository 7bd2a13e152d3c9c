"""The portal's web application, put together."""

import logging
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

import sekisho_portal
from sekisho.errors import BadInputError, NotFoundError, SekishoError
from sekisho.tokens import Tokens
from sekisho_portal import acts, api, pages
from sekisho_portal.access import Ending, House, visitor
from sekisho_portal.described import describe
from sekisho_portal.desk import Desk
from sekisho_portal.limits import Limits
from sekisho_portal.snapshots import Snapshots
from sekisho_portal.sniffing import NoSniffing

_LOG = logging.getLogger("sekisho.portal")


class _MethodError(BadInputError):
    """The address is right and the method is not; ``Allow`` has those that are."""

    http_status = 405


def _problem(error: SekishoError) -> JSONResponse:
    """Return an error as RFC 9457 problem details."""
    body = {**error.diagnostics(), "status": error.http_status, "type": f"urn:sekisho:problem:{error.code}"}
    headers = {"WWW-Authenticate": 'Bearer realm="sekisho"'} if error.http_status == 401 else {}
    return JSONResponse(body, status_code=error.http_status, media_type="application/problem+json", headers=headers)


def _explain(app: FastAPI, answer: Callable[[Request, SekishoError], Response]) -> None:
    """Have whatever is raised answered as an error of ours."""

    async def known(request: Request, error: Exception) -> Response:
        return answer(request, error if isinstance(error, SekishoError) else SekishoError(str(error)))

    async def invalid(request: Request, error: Exception) -> Response:
        rows = error.errors() if isinstance(error, RequestValidationError) else []
        what = "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in rows)
        return answer(request, BadInputError(what or "the request cannot be read", where=request.url.path))

    async def unexpected(request: Request, error: Exception) -> Response:
        _LOG.exception("unexpected error on %s", request.url.path, exc_info=error)
        return answer(request, SekishoError("something went wrong inside the portal", todo="see the portal's log"))

    async def odd(request: Request, error: Exception) -> Response:
        """Answer what the framework itself refuses: an address, a method, a body that is no text."""
        status = error.status_code if isinstance(error, HTTPException) else 400
        if status == 404:
            return answer(request, NotFoundError("there is nothing at this address", where=request.url.path))
        what = str(error.detail) if isinstance(error, HTTPException) else "the request cannot be read"
        response = answer(request, _MethodError(what) if status == 405 else BadInputError(what))
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    app.add_exception_handler(SekishoError, known)
    app.add_exception_handler(HTTPException, odd)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)


def make_app(desk: Desk, snapshots: Snapshots, tokens: Tokens, ending: Ending = lambda: False) -> FastAPI:
    """Return the application. Errors are problem documents under /api, and a page everywhere else."""
    app = FastAPI(title="Sekisho portal", version=sekisho_portal.__version__, docs_url=None, redoc_url=None)

    def answer(request: Request, error: SekishoError) -> Response:
        if request.url.path.startswith("/api/"):
            return _problem(error)
        values = {"problem": error.diagnostics()}
        return pages.page(request, "problem.html", visitor(request, tokens), status=error.http_status, **values)

    app.add_middleware(Limits, tokens=tokens, answer=answer)
    app.add_middleware(NoSniffing)
    _explain(app, answer)

    @app.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    ready: Callable[[], dict[str, int]] = lambda: {"sequence": snapshots.current().sequence}  # noqa: E731
    app.get("/readyz")(ready)
    app.state.house = House(desk, snapshots, tokens, ending)
    app.include_router(api.api)
    app.include_router(acts.acts)
    app.include_router(pages.pages)
    describe(app)
    return app
