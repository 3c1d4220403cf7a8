"""What surrounds every request: a name for it, a bound on its size, and an answer whatever happens."""

import logging
import secrets
from reprlib import repr as clipped
from typing import Any, cast

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout, TooManyRequests
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from projections.api.problems import (
    BUSY,
    DATABASE_AWAY,
    INVALID,
    MALFORMED,
    METHOD,
    NOT_FOUND,
    TOO_LARGE,
    UNEXPECTED,
    FieldProblem,
    ProblemError,
    away,
    response,
)

#: Ten times the largest checkout that the contract's limits allow here.
LARGEST_BODY = 1_000_000
REQUEST_ID = "X-Request-Id"

log = logging.getLogger("orderflow.api")


class Frame:
    """The outermost layer: also what nobody foresaw gets an answer, and the log says what it was."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(6)
        scope.setdefault("state", {})["request_id"] = request_id
        begun = False

        async def named(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message["headers"], (REQUEST_ID.lower().encode(), request_id.encode())]
            await send(message)

        try:
            await self._app(scope, _bounded(receive), named)
        except Exception:
            log.exception("%s %s (request %s) failed", scope["method"], scope["path"], request_id)
            if begun:  # half an answer can't be taken back: break off, so that nobody takes it for whole
                raise
            words = "it is in our log under the name of this request; nothing is known of what came of it"
            await response(ProblemError(UNEXPECTED, words), request_id)(scope, receive, named)


def _bounded(receive: Receive) -> Receive:
    size = 0

    async def receive_some() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise ProblemError(TOO_LARGE, f"send at most {LARGEST_BODY} bytes")
        return message

    return receive_some


def install(app: FastAPI) -> None:
    """Let every error become a problem."""
    app.add_middleware(Frame)
    app.add_exception_handler(ProblemError, _said)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _routing)
    app.add_exception_handler(psycopg.OperationalError, _database)
    app.add_exception_handler(psycopg.errors.UndefinedTable, _unmigrated)


def _answer(request: Request, problem: ProblemError) -> Response:
    return response(problem, request.state.request_id)


async def _said(request: Request, error: Exception) -> Response:
    return _answer(request, cast("ProblemError", error))


async def _invalid(request: Request, error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()
    unread = next((each for each in found if each["type"] == "json_invalid"), None)
    if unread is not None:
        problem = ProblemError(MALFORMED, f"send JSON: {unread['ctx']['error']} at character {unread['loc'][-1]}")
    else:
        # What is wrong with a part makes the whole wrong, too: a list whose only item is bad counts as empty.
        errors = [_field(each) for each in found if not any(_is_part(other["loc"], each["loc"]) for other in found)]
        words = "; ".join(map(str, errors[:3]))
        problem = ProblemError(INVALID, words, errors)
    return _answer(request, problem)


def _is_part(part: tuple[str | int, ...], whole: tuple[str | int, ...]) -> bool:
    return len(part) > len(whole) and part[: len(whole)] == whole


def _field(error: dict[str, Any]) -> FieldProblem:
    place, *path = error["loc"]
    missing = error["type"] == "missing"
    return FieldProblem.model_validate(
        {
            "in": place,
            "field": ".".join(map(str, path)) or "(all of it)",
            "value": "(nothing)" if missing else clipped(error["input"]),
            "problem": "it must be given" if missing else error["msg"],
        }
    )


async def _routing(request: Request, error: Exception) -> Response:
    """What Starlette itself turns away: no route, or none with this method, or a body that can't be read."""
    found = cast("HTTPException", error)
    if isinstance(found.__cause__, ProblemError):  # ours, raised while FastAPI read the body
        problem = found.__cause__
    elif found.status_code == METHOD.status:
        allowed = (found.headers or {}).get("Allow", "")
        problem = ProblemError(
            METHOD, f"{request.url.path} takes {allowed}, not {request.method}", headers=found.headers
        )
    elif found.status_code == NOT_FOUND.status:
        problem = ProblemError(NOT_FOUND, f"nothing is at {request.url.path}; /openapi.json says what there is")
    else:
        problem = ProblemError(MALFORMED, str(found.detail))
    return _answer(request, problem)


async def _database(request: Request, error: Exception) -> Response:
    if isinstance(error, PoolTimeout | TooManyRequests):
        return _answer(request, away(BUSY, "every connection to the database is in use; ask again a moment later"))
    log.warning("the database: %s", error)
    return _answer(request, away(DATABASE_AWAY, "the database doesn't answer in time; ask again later"))


async def _unmigrated(request: Request, error: Exception) -> Response:
    log.error("the database lacks a table, run `orderflow database migrate`: %s", error)
    return _answer(request, away(DATABASE_AWAY, "the database is not set up yet; ask again later", retry_seconds=30))
