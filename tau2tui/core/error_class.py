"""The names of what can go wrong in a model call: those that the driver counts by and those that logs are read by."""

from __future__ import annotations

import re
from enum import StrEnum


class ErrorClass(StrEnum):
    """Kinds of failed calls."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    SERVER = "server"
    RATE_LIMIT = "rate_limit"
    HARMONY = "harmony"
    """gpt-oss left its message format, which vLLM reports as an error; the next answer is usually well-formed."""
    EMPTY = "empty"
    """Neither text nor tool calls."""
    CONTEXT_LENGTH = "context_length"
    BAD_REQUEST = "bad_request"
    AUTH = "auth"
    BUDGET = "budget"
    """The account has no money left: waiting does not help, whatever the status says."""

    @property
    def transient(self) -> bool:
        """Another attempt may succeed."""
        permanent = (ErrorClass.CONTEXT_LENGTH, ErrorClass.BAD_REQUEST, ErrorClass.AUTH, ErrorClass.BUDGET)
        return self not in permanent

    @property
    def of_replica(self) -> bool:
        """The replica is to blame rather than the request: others should be asked for a while."""
        return self in (ErrorClass.CONNECTION, ErrorClass.TIMEOUT, ErrorClass.SERVER)


HARMONY = re.compile("unexpected tokens remaining in message header|harmony", re.IGNORECASE)
"""How a server's own words say it, where the status says little; so do the next two."""
BUDGET = re.compile("insufficient_quota|exceeded your current quota|billing_hard_limit|billing_not_active")
CONTEXT_LENGTH = re.compile("context_length_exceeded|context length|input tokens exceed", re.IGNORECASE)
