"""Every refusal as RFC 9457 ``application/problem+json``, mapped in this one file."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from api.audit.refusals import note_refusal
from core.clock import now, rfc3339
from core.database import is_away
from core.errors import Refusal, Unavailable
from core.logging import get_logger

log = get_logger(__name__)

_CODES = {
    400: "BAD_REQUEST",
    401: "AUTHENTICATION",
    403: "AUTHORIZATION",
    404: "RESOURCE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMITED",
}


class FieldProblem(BaseModel):
    """What is wrong with one field of the input."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details, with a stable ``error_code`` and the id under which the logs know the request."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    error_code: str
    timestamp: str
    request_id: str
    errors: list[FieldProblem] | None = None


def problem(
    request: Request,
    status: int,
    error_code: str,
    detail: str,
    *,
    errors: list[FieldProblem] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """A problem+json response."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        error_code=error_code,
        timestamp=rfc3339(now()),
        request_id=getattr(request.state, "request_id", None) or str(uuid4()),
        errors=errors,
    )
    return Response(
        body.model_dump_json(exclude_none=True),
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.is_noted:
        await note_refusal(request, refusal)
    errors = [FieldProblem(field=refusal.field, message=refusal.detail)] if refusal.field else None
    return problem(request, refusal.status, refusal.error_code, refusal.detail, errors=errors, headers=headers)


async def _invalid(request: Request, invalid: Exception) -> Response:
    assert isinstance(invalid, RequestValidationError)
    errors = [_field_problem(error) for error in invalid.errors()]
    return problem(request, 422, "VALIDATION", "The input is not valid.", errors=errors)


def _field_problem(error: dict[str, Any]) -> FieldProblem:
    path = [str(part) for part in error["loc"] if part not in {"body", "query", "path"}]
    # What a validator of ours says is a sentence for people; pydantic puts the exception's kind before it.
    return FieldProblem(field=".".join(path), message=str(error["msg"]).removeprefix("Value error, "))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:
        # Ours are refusals. This one is the framework's, of a body that it cannot parse: deep JSON, half a character.
        return problem(request, 422, "VALIDATION", "The body cannot be read.")
    code = _CODES.get(error.status_code, HTTPStatus(error.status_code).name)
    headers = dict(error.headers) if error.headers else None
    return problem(request, error.status_code, code, str(error.detail), headers=headers)


async def _database(request: Request, error: Exception) -> Response:
    """A Postgres that is away is a 503 that says so; anything else of the database is our mistake."""
    if is_away(error):
        log.warning("database_unavailable", fault=type(error).__name__)
        return problem(
            request, Unavailable.status, Unavailable.error_code, Unavailable.detail, headers={"Retry-After": "2"}
        )
    return await _unexpected(request, error)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected_error", path=request.url.path, exc_info=error)
    return problem(request, 500, "INTERNAL", "Something went wrong on our side. It has been noted.")


def install_error_handlers(app: FastAPI) -> None:
    """Register all of them."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeout, _database)
    app.add_exception_handler(OSError, _database)
    app.add_exception_handler(Exception, _unexpected)
