"""From errors to answers: one table, one form, one closed list of codes."""

import logging
import uuid
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from recsys.errors import (
    ConfigError,
    DataError,
    NotFoundError,
    RecsysError,
    StateError,
    StoreError,
)
from service.auth import ForbiddenError, TooManyRequestsError, UnauthorizedError
from service.intake import BusyError
from service.schemas import ErrorBody, ErrorDetail

logger = logging.getLogger("recsys.service")

ANSWERS: Final[dict[type[Exception], tuple[int, str]]] = {
    ConfigError: (422, "invalid_request"),
    DataError: (422, "invalid_data"),
    NotFoundError: (404, "not_found"),
    StoreError: (503, "model_unavailable"),
    StateError: (503, "state_unavailable"),
    UnauthorizedError: (401, "unauthorized"),
    ForbiddenError: (403, "forbidden"),
    TooManyRequestsError: (429, "too_many_requests"),
    BusyError: (429, "too_many_requests"),
    ValidationError: (422, "invalid_request"),
}
"""Error of the library -> status and code; a subclass has its parent's."""

REQUEST_ID: Final = "X-Request-Id"
STATUS_CODES: Final[dict[int, str]] = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
}
HEADERS: Final[dict[int, dict[str, str]]] = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "1"},
    503: {"Retry-After": "1"},
}
"""Of an error answer, by its status."""
CODES: Final = frozenset(
    {code for _, code in ANSWERS.values()}
    | set(STATUS_CODES.values())
    | {"invalid_request", "internal_error"}
)
"""Every code an error answer can have."""


def add_error_handlers(app: FastAPI) -> None:
    """Give every error of `app` the same form."""
    app.add_exception_handler(RecsysError, _library_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def answer(
    request: Request,
    status: int,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Write an error answer."""
    request_id = getattr(request.state, "request_id", None) or new_request_id()
    body = ErrorBody(error=ErrorDetail(code=code, message=message, request_id=request_id))
    # Here as well as in the app: the answer to what nobody expected is written outside of it.
    named = {**HEADERS.get(status, {}), **(headers or {}), REQUEST_ID: request_id}
    return JSONResponse(body.model_dump(), status_code=status, headers=named)


def new_request_id() -> str:
    """Return an id that names one request in answers and logs."""
    return uuid.uuid4().hex


def code_of(error: Exception) -> tuple[int, str]:
    """Return the status and the code of an error of the library."""
    known = (ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    return next(known, (500, "internal_error"))


def told(error: Exception) -> str:
    """Return what is said of an error; of a body that is not as it should be, where."""
    if not isinstance(error, RequestValidationError | ValidationError):
        return str(error)
    said = (f"{'.'.join(str(step) for step in p['loc'])}: {p['msg']}" for p in error.errors())
    return "; ".join(said)


async def _library_error(request: Request, error: Exception) -> JSONResponse:
    status, code = code_of(error)
    if status == 500:
        return await _unexpected(request, error)
    if status == 503:
        logger.warning("%s: %s", code, error)
    return answer(request, status, code, str(error))


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    return answer(request, 422, "invalid_request", told(error))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = STATUS_CODES.get(status, "invalid_request")
    message = f"{request.method} {request.url.path}: {getattr(error, 'detail', '')}"
    return answer(request, status, code, message, getattr(error, "headers", None))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("unexpected error", exc_info=error)
    return answer(request, 500, "internal_error", "something unexpected happened; see the log")
