"""From errors to answers: one table, one form, one closed list of codes."""

import logging
import uuid
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from recsys.errors import (
    ConfigError,
    DataError,
    NotFoundError,
    RecsysError,
    StateError,
    StoreError,
)
from service.schemas import ErrorBody, ErrorDetail

logger = logging.getLogger("recsys.service")

ANSWERS: Final[dict[type[Exception], tuple[int, str]]] = {
    ConfigError: (422, "invalid_request"),
    DataError: (422, "invalid_data"),
    NotFoundError: (404, "not_found"),
    StoreError: (503, "model_unavailable"),
    StateError: (503, "state_unavailable"),
}
"""Error of the library -> status and code; a subclass has its parent's."""

REQUEST_ID: Final = "X-Request-Id"
STATUS_CODES: Final[dict[int, str]] = {404: "not_found", 405: "method_not_allowed"}
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
    named = {**(headers or {}), REQUEST_ID: request_id}
    return JSONResponse(body.model_dump(), status_code=status, headers=named)


def new_request_id() -> str:
    """Return an id that names one request in answers and logs."""
    return uuid.uuid4().hex


async def _library_error(request: Request, error: Exception) -> JSONResponse:
    for kind in type(error).__mro__:
        if kind in ANSWERS:
            status, code = ANSWERS[kind]
            if status >= 500:
                logger.warning("%s: %s", code, error)
            return answer(request, status, code, str(error))
    return await _unexpected(request, error)


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    said = [f"{'.'.join(str(step) for step in p['loc'])}: {p['msg']}" for p in problems]
    return answer(request, 422, "invalid_request", "; ".join(said))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = STATUS_CODES.get(status, "invalid_request")
    message = f"{request.method} {request.url.path}: {getattr(error, 'detail', '')}"
    return answer(request, status, code, message, getattr(error, "headers", None))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("unexpected error", exc_info=error)
    return answer(request, 500, "internal_error", "something unexpected happened; see the log")
