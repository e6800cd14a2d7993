"""Lines as the libraries write them, and their classes."""

from __future__ import annotations

import pytest

from tau2tui.analysis.errors.classes import PATTERNS, SAYINGS, Classifier
from tau2tui.config import Config
from tau2tui.core.error_class import ErrorClass

LINES = {
    'openai.APIError: unexpected tokens remaining in message header: Some("x")': "harmony",
    "openai.APITimeoutError: Request timed out.": "timeout",
    "httpx.ReadTimeout: The read operation timed out": "timeout",
    "openai.APIConnectionError: Connection error.": "connection",
    "httpx.RemoteProtocolError: peer closed connection without sending complete message body": "connection",
    "ConnectionRefusedError: [Errno 111] Connection refused": "connection",
    "openai.RateLimitError: Error code: 429 - {'error': {'code': 'rate_limit_exceeded'}}": "rate_limit",
    "openai.RateLimitError: Error code: 429 - You exceeded your current quota": "budget",
    "openai.RateLimitError: Error code: 429 - {'code': 'insufficient_quota'}": "budget",
    "openai.InternalServerError: Error code: 500 - EngineCore encountered an issue.": "server",
    "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.": "server",
    "openai.InternalServerError: Error code: 503 - Service Unavailable": "server",
    "openai.BadRequestError: Error code: 400 - This model's maximum context length is 32768 tokens.": "context_length",
    "litellm.ContextWindowExceededError: x": "context_length",
    "openai.BadRequestError: Error code: 400 - {'message': 'x'}": "bad_request",
    "openai.NotFoundError: Error code: 404 - The model `x` does not exist.": "bad_request",
    "openai.AuthenticationError: Error code: 401 - Incorrect API key provided": "auth",
    "openai.PermissionDeniedError: Error code: 403": "auth",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.74 GiB.": "memory",
    "torch.AcceleratorError: CUDA error: an illegal memory access was encountered": "hardware",
    "vllm: error: unrecognized arguments: --chat-template-kwargs": "configuration",
    "KeyError: 'invalid tool call parser: nope (chose from { hermes })'": "configuration",
    "OSError: [Errno 98] Address already in use": "configuration",
    "Error in extracting tool call from response.": "parser",
    "TypeError: extract_tool_calls() got an unexpected keyword argument 'token_ids'": "parser",
    "neither text nor tool calls (finish_reason 'stop')": "empty",
    "tau2.user.base.UserError: no such user": "user_simulator",
    "evaluator failed: no reward": "judge",
    "Error executing tool get_order: Order not found": "tool",
}


@pytest.mark.parametrize(("line", "name"), LINES.items())
def test_a_line_has_the_class_that_it_says(line: str, name: str) -> None:
    assert Classifier().of(line) == name


@pytest.mark.parametrize(
    "line", ["I will wait for a connection at the airport", "your timeout is over", "503 dollars", "type=llm_call", ""]
)
def test_what_people_say_is_no_error(line: str) -> None:
    assert Classifier().of(line) is None


def test_every_class_of_the_driver_has_a_pattern_and_the_same_name() -> None:
    assert set(map(str, ErrorClass)) <= set(PATTERNS)
    assert set(map(str, ErrorClass)) <= set(LINES.values())
    assert set(PATTERNS) == set(LINES.values())


def test_configured_patterns_come_first_add_to_a_class_or_make_a_new_one() -> None:
    classifier = Classifier({"gateway": "502 from the (?:proxy|lab)", "timeout": "took too long", "retry": "once more"})
    assert classifier.of("Error code: 502 from the proxy") == "gateway"
    assert classifier.of("it took too long") == "timeout"
    assert classifier.of("openai.APITimeoutError") == "timeout"
    assert classifier.said("once more") == classifier.said("Retry 1/4 in 8s...") == "retry"
    assert classifier.names[:2] == ("gateway", "timeout")
    assert not set(classifier.names) & set(SAYINGS)


def test_the_shipped_patterns_say_what_became_of_an_attempt() -> None:
    classifier = Classifier(Config.model_fields["error_patterns"].default)
    assert classifier.said("Retrying in 5 seconds") == "retry"
    assert classifier.said("LLM call failed permanently after 4 attempts") == "permanent"
    assert classifier.said("Task failed: retail/1#0") == "task_failed"
    assert classifier.said("x") is None


def test_a_traceback_is_classed_by_the_files_it_goes_through() -> None:
    classifier = Classifier()
    assert classifier.of_frames('  File "/x/site-packages/tau2/evaluator/evaluator.py", line 3, in f') == "judge"
    assert classifier.of_frames('  File "/x/tau2/domains/retail/tools.py", line 3, in f') == "tool"
    assert classifier.of_frames('  File "/x/tau2/run.py", line 3, in f') is None
