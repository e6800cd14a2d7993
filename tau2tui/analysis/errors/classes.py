"""Error classes: what a line of a log has to say to belong to one. The patterns are data, and can be added to."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tau2tui.core.error_class import BUDGET, ErrorClass
from tau2tui.defaults import ERROR_PATTERNS

UNKNOWN = "unknown"
TOOL = "tool"
JUDGE = "judge"
USER_SIMULATOR = "user_simulator"

PATTERNS: Mapping[str, str] = {
    ErrorClass.BUDGET: BUDGET.pattern,
    ErrorClass.HARMONY: r"unexpected tokens remaining in message header|HarmonyError|openai_harmony",
    "parser": r"extract_tool_calls\(\) got an unexpected|[Ee]rror in extracting tool call|ToolParser\w*Error",
    ErrorClass.CONTEXT_LENGTH: r"context_length_exceeded|maximum context length|ContextWindowExceededError"
    r"|input tokens exceed|longer than the maximum model length",
    ErrorClass.AUTH: r"AuthenticationError|PermissionDeniedError|[Ii]ncorrect API key|invalid_api_key"
    r"|Error code: 40[13]\b|HTTP/1\.[01]\"? 40[13]\b",
    ErrorClass.RATE_LIMIT: r"RateLimitError|rate_limit_exceeded|Rate limit reached|Too Many Requests"
    r"|Error code: 429\b|HTTP/1\.[01]\"? 429\b",
    "memory": r"OutOfMemory|[Oo]ut of memory|\bMemoryError\b|No available memory for the cache|Free memory on device"
    r"|\boom-kill",
    "hardware": r"uncorrectable ECC|\bNVRM: Xid\b|illegal memory access|unspecified launch failure",
    "configuration": r"unrecognized arguments|error: argument|invalid (?:tool call|reasoning) parser"
    r"|requires --tool-call-parser|[Aa]ddress already in use|must be divisible by tensor parallel",
    ErrorClass.TIMEOUT: r"APITimeoutError|(?:Read|Connect|Write|Pool)Timeout\b|\bTimeoutError\b|[Rr]equest timed out"
    r"|[Rr]ead timed out|Error code: (?:408|504)\b|HTTP/1\.[01]\"? (?:408|504)\b|did not end in time",
    ErrorClass.CONNECTION: r"APIConnectionError|Connection error\.|Connection(?:Refused|Reset|Aborted)?Error\b"
    r"|[Cc]onnection (?:refused|reset by peer|aborted)|RemoteProtocolError|ServerDisconnected|[Ss]erver disconnected"
    r"|incomplete chunked read|BrokenPipeError|Name or service not known|\bConnectError\b",
    ErrorClass.SERVER: r"InternalServerError|EngineDeadError|EngineCore encountered an issue"
    r"|Engine core \w+ failed|Error code: 5\d\d\b|HTTP/1\.[01]\"? 5\d\d\b|Internal Server Error|Bad Gateway"
    r"|Service Unavailable|ServiceUnavailableError",
    ErrorClass.BAD_REQUEST: r"BadRequestError|UnprocessableEntityError|NotFoundError: Error code|Error code: 4\d\d\b",
    ErrorClass.EMPTY: r"neither text nor tool calls|[Ee]mpty (?:response|completion|answer) from",
    USER_SIMULATOR: r"\bUserError\b|[Uu]ser simulator (?:error|failed)|UserSimulator\w*Error",
    JUDGE: r"\bEvaluatorError\b|[Ee]valuator (?:error|failed)|[Ee]rror (?:in|while) evaluating|JudgeError",
    TOOL: r"ToolError\b|[Ee]rror (?:executing|calling|in) tool\b",
}
"""Class → what a line of it says. They are tried in this order: what says more stands first."""

SAYINGS: Mapping[str, str] = {
    "retry": r"Retrying in \d+ seconds|Retry \d+/\d+ in \d+s",
    "permanent": "LLM call failed permanently",
    "task_failed": "Task failed",
}
"""What is said of an attempt or of a task, whatever the class: these names of the configuration are no classes."""

FRAMES: Mapping[str, str] = {
    JUDGE: r"tau2/evaluator/",
    USER_SIMULATOR: r"tau2/user/",
    TOOL: r"tau2/(?:environment|domains)/",
}
"""The class of a traceback that says nothing else, by a file that it goes through."""


class Classifier:
    """The patterns of this program and, before them, those of a configuration."""

    def __init__(self, configured: Mapping[str, str] | None = None) -> None:
        """`configured`: `[error_patterns]`. One that is named like a class adds to it; others are classes of their own.

        Raises `re.error` for what is no regular expression; a configuration has been checked for that.
        """
        configured = ERROR_PATTERNS if configured is None else configured
        own = {name: text for name, text in configured.items() if name not in SAYINGS and text}
        self._classes = [(name, re.compile(text)) for name, text in (*own.items(), *PATTERNS.items())]
        self._frames = [(name, re.compile(text)) for name, text in FRAMES.items()]
        self._sayings = {name: re.compile(_either(text, configured.get(name, ""))) for name, text in SAYINGS.items()}
        self.names = tuple(dict.fromkeys([*own, *PATTERNS]))
        self.patterns = tuple(pattern.pattern for _, pattern in self._classes) + tuple(
            pattern.pattern for pattern in self._sayings.values()
        )
        """All of them, so that lines can be searched in bulk for any."""

    def of(self, text: str) -> str | None:
        """The class that a text says; None if it says none."""
        return next((name for name, pattern in self._classes if pattern.search(text)), None)

    def of_frames(self, text: str) -> str | None:
        """The class of a traceback by the files that it goes through."""
        return next((name for name, pattern in self._frames if pattern.search(text)), None)

    def said(self, text: str) -> str | None:
        """The first of SAYINGS that a text holds, the last word first: who gave up will not retry."""
        return next((name for name in reversed(self._sayings) if self._sayings[name].search(text)), None)


def _either(*patterns: str) -> str:
    return "|".join(f"(?:{pattern})" for pattern in dict.fromkeys(patterns) if pattern)
