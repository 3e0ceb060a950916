"""Error responses of the HTTP API, in one form: `{"error": {"code": ..., "message": ...}}`; own texts only."""

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from consumer.errors import TransientError
from schemas.fault_words import fault_in_words

SERVER_ERRORS: Final = 500


class ApiError(Exception):
    """An error response; its message is for the caller to read."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def answer(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error response."""
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status, headers=headers)


def answer_errors(app: FastAPI) -> None:
    """Register the handlers that answer every error of the app in this form."""

    @app.exception_handler(ApiError)
    def _api_error(_request: Request, error: ApiError) -> JSONResponse:
        return answer(error.status, error.code, error.message, error.headers)

    @app.exception_handler(RequestValidationError)
    def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault_in_words(fault)}" for fault in error.errors())
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", faults)

    @app.exception_handler(HTTPException)
    def _http(_request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        headers = dict(error.headers) if error.headers else None
        return answer(error.status_code, phrase.lower().replace(" ", "_"), phrase, headers)

    @app.exception_handler(TransientError)
    def _unavailable(_request: Request, _error: TransientError) -> JSONResponse:
        return answer(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "unavailable",
            "The database did not answer as it should; try again.",
            {"Retry-After": "2"},
        )

    @app.exception_handler(Exception)
    def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
        # The server logs the traceback; the response contains nothing of it.
        return answer(SERVER_ERRORS, "internal", "This is a fault of the healer; its log tells more.")
