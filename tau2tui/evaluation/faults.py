"""What can go wrong in a model call, told apart by what to do about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
from openai import APIConnectionError, APIStatusError, APITimeoutError

from tau2tui.core.error_class import BUDGET, CONTEXT_LENGTH, HARMONY, ErrorClass
from tau2tui.evaluation.answer import Answer


class CallError(Exception):
    """A call that brought no answer."""

    def __init__(
        self, kind: ErrorClass, message: str, *, retry_after_s: float = 0.0, answer: Answer | None = None
    ) -> None:
        """`retry_after_s`: how long the server wants to be left alone; `answer`: an EMPTY one, for its tokens."""
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.retry_after_s = retry_after_s
        self.answer = answer


class Abandoned(Exception):
    """The driver is stopping: what was going on is given up, which is no error of anyone."""


def classify(error: Exception) -> ErrorClass:
    """The class of an exception of the `openai` package or of the HTTP layer below it."""
    if isinstance(error, (APITimeoutError, httpx2.TimeoutException)):
        return ErrorClass.TIMEOUT
    if isinstance(error, APIStatusError):
        return _class_of(str(error), error.status_code)
    return ErrorClass.CONNECTION


def wait_asked_for_s(error: Exception, now: float) -> float:
    """What the header Retry-After of a response asks for, in seconds from `now` (Unix time); 0 if it asks for nothing.

    It is a number of seconds or a date (RFC 9110, 10.2.3); OpenAI also sends milliseconds in a header of its own.
    """
    if not isinstance(error, APIStatusError):
        return 0.0
    headers = error.response.headers
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit_s)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - now)
    except (KeyError, ValueError):
        return 0.0


def describe(error: Exception) -> str:
    """The error's own words and, for the package's nondescript "Connection error.", what lies beneath."""
    beneath = error.__cause__ if isinstance(error, APIConnectionError) else None
    return f"{error} {beneath}".strip() if beneath else str(error) or type(error).__name__


def completion_part(data: bytes) -> Mapping[str, Any]:
    """A completion, or one chunk of its stream. Raises CallError for an error object and for what is not JSON."""
    try:
        part = json.loads(data)
    except ValueError:
        raise CallError(ErrorClass.SERVER, f"not JSON: {data[:80]!r}") from None
    if not isinstance(part, dict):
        raise CallError(ErrorClass.SERVER, f"not a completion: {data[:80]!r}")
    if error := part.get("error"):
        raise _reported(error)
    return part


def _reported(error: object) -> CallError:
    """An error object where a completion was due; vLLM sends one when its engine dies, inside HTTP status 200."""
    fields = error if isinstance(error, dict) else {"message": error}
    code = str(fields.get("code") or "")
    message = str(fields.get("message") or "an error without a message")
    kind = _class_of(f"{message} {code}", int(code) if code.isdecimal() else 500)
    return CallError(kind, message)


def _class_of(message: str, status: int) -> ErrorClass:
    """The class of an error that a server reported; the message decides where the status says little."""
    if HARMONY.search(message):
        return ErrorClass.HARMONY
    if CONTEXT_LENGTH.search(message):
        return ErrorClass.CONTEXT_LENGTH
    if BUDGET.search(message):
        return ErrorClass.BUDGET
    if status in (401, 403):
        return ErrorClass.AUTH
    if status == 408:
        return ErrorClass.TIMEOUT
    if status == 429:
        return ErrorClass.RATE_LIMIT
    return ErrorClass.BAD_REQUEST if 400 <= status < 500 else ErrorClass.SERVER
