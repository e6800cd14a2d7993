"""Our chat templates: whole conversations with tool calls, rendered, and read back as vLLM's parsers read them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import jinja2.ext
import jinja2.sandbox
import pytest

from tau2tui.chat_templates import builtin_names, template_text
from tau2tui.errors import ConfigError

HERMES, LLAMA = "hermes", "llama3.1-json"


def render(name: str, messages: list[dict[str, Any]], **variables: Any) -> str:
    """Render as transformers does for vLLM (transformers/utils/chat_template_utils.py)."""

    def tojson(value: Any, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=False, **options)

    def raise_exception(message: str) -> None:
        raise jinja2.exceptions.TemplateError(message)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(template_text(name)).render(messages=messages, **variables)


# --- a small copy of what each parser looks for

Call = tuple[str, Any]


def hermes_calls(answer: str) -> list[Call]:
    """vLLM's Hermes2ProToolParser: JSON between <tool_call> and </tool_call>, or to the end."""
    blocks = re.findall(r"<tool_call>(.*?)</tool_call>|<tool_call>(.*)", answer, re.DOTALL)
    calls = [json.loads(closed or open_) for closed, open_ in blocks]
    return [(call["name"], call["arguments"]) for call in calls]


def llama_calls(answer: str) -> list[Call]:
    """vLLM's Llama3JsonToolParser: every JSON object that is not inside another, if the answer begins with one."""
    if not answer.startswith(("<|python_tag|>", "{")):
        return []  # as when streaming, which is the stricter of its two ways
    calls, end = [], -1
    for match in re.finditer(r"\{", answer):
        if match.start() <= end:
            continue
        value, length = json.JSONDecoder().raw_decode(answer[match.start() :])
        end = match.start() + length
        calls.append((value["name"], value["arguments"] if "arguments" in value else value["parameters"]))
    return calls


def hermes_turns(text: str) -> list[tuple[str, str]]:
    """ChatML: role and content of each turn, the unfinished one too."""
    assert text.startswith("<|im_start|>")
    turns = [turn.removesuffix("<|im_end|>\n").partition("\n") for turn in text.split("<|im_start|>")[1:]]
    return [(role, content) for role, _, content in turns]


def llama_turns(text: str) -> list[tuple[str, str]]:
    """Llama 3: role and content of each turn, the unfinished one too."""
    text = text.removeprefix("<|begin_of_text|>")
    assert text.startswith("<|start_header_id|>")
    turns = [turn.partition("<|end_header_id|>\n\n") for turn in text.split("<|start_header_id|>")[1:]]
    return [(role, content.removesuffix("<|eot_id|>")) for role, _, content in turns]


Turns = Callable[[str], list[tuple[str, str]]]
Calls = Callable[[str], list[Call]]
BOTH = [pytest.param(HERMES, hermes_turns, hermes_calls), pytest.param(LLAMA, llama_turns, llama_calls)]

# --- a conversation


def tool(name: str, **properties: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return {"type": "function", "function": {"name": name, "description": "<b> & „ü“", "parameters": parameters}}


def call(name: str, arguments: Any, call_id: str = "1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


TOOLS = [tool("get_order", order_id="string"), tool("cancel", order_id="string", reason="string", items="array")]
HARD: dict[str, Any] = {"order_id": '#W1 "q" \\ \n{;}', "reason": "não é </tool_call>", "items": [{"a": {"b": None}}]}
EASY: dict[str, Any] = {"order_id": "#W2"}
CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "Policy: be kind."},
    {"role": "user", "content": "Cancel both."},
    {"role": "assistant", "content": None, "tool_calls": [call("get_order", EASY), call("get_order", {}, "2")]},
    {"role": "tool", "tool_call_id": "1", "content": '{"status": "pending"}'},
    {"role": "tool", "tool_call_id": "2", "content": "Error: no order"},
    {"role": "assistant", "content": "One is there. Cancel it?"},
    {"role": "user", "content": "Yes"},
    {"role": "assistant", "content": "", "tool_calls": [call("cancel", {**EASY, "reason": "wish"})]},
    {"role": "tool", "tool_call_id": "3", "content": "done"},
]


def test_there_is_one_for_each_of_the_two_parsers() -> None:
    assert builtin_names() == (HERMES, LLAMA)
    assert template_text("builtin:hermes") == template_text(HERMES)
    with pytest.raises(ConfigError, match="builtin:llama") as raised:
        template_text("builtin:llama")
    assert "builtin:llama3.1-json" in raised.value.hint


@pytest.mark.parametrize(("name", "turns", "calls"), BOTH)
def test_a_whole_conversation_keeps_its_turns_and_ends_where_the_assistant_speaks(
    name: str, turns: Turns, calls: Calls
) -> None:
    text = render(name, CONVERSATION, tools=TOOLS, add_generation_prompt=True)
    result = "user" if name == HERMES else "ipython"
    results = 1 if name == HERMES else 2  # the results of parallel calls are one turn in ChatML
    roles = ["system", "user", "assistant", *[result] * results, "assistant", "user", "assistant", result, "assistant"]
    assert [role for role, _ in turns(text)] == roles
    assert turns(text)[-1] == ("assistant", "")
    for words in ("Policy: be kind.", "Cancel both.", '{"status": "pending"}', "Error: no order", "One is there."):
        assert text.count(words) == 1
    without = render(name, CONVERSATION, tools=TOOLS)
    assert text.startswith(without) and turns(without)[-1][0] == result


@pytest.mark.parametrize(("name", "turns", "calls"), BOTH)
def test_what_the_model_is_shown_as_its_calls_is_what_the_parser_reads_as_calls(
    name: str, turns: Turns, calls: Calls
) -> None:
    answers = [content for role, content in turns(render(name, CONVERSATION, tools=TOOLS)) if role == "assistant"]
    assert calls(answers[0]) == [("get_order", EASY), ("get_order", {})], "parallel calls"
    assert calls(answers[1]) == [], "plain words"
    assert calls(answers[2]) == [("cancel", {**EASY, "reason": "wish"})]


@pytest.mark.parametrize(("name", "turns", "calls"), BOTH)
@pytest.mark.parametrize("as_text", [False, True], ids=["object", "text"])
def test_arguments_keep_every_character(name: str, turns: Turns, calls: Calls, as_text: bool) -> None:
    hard = {key: value for key, value in HARD.items() if key != "reason" or name != HERMES}
    given = json.dumps(hard, ensure_ascii=False) if as_text else hard
    answer_of = {"role": "assistant", "tool_calls": [call("cancel", given)]}
    messages: list[dict[str, Any]] = [{"role": "user", "content": "go"}, answer_of]
    (_, (_, answer)) = turns(render(name, messages))
    assert calls(answer) == [("cancel", hard)]


@pytest.mark.parametrize(("name", "turns", "calls"), BOTH)
def test_every_tool_is_described_as_it_is(name: str, turns: Turns, calls: Calls) -> None:
    system = turns(render(name, CONVERSATION, tools=TOOLS))[0][1]
    described = [json.loads(line) for line in system.splitlines() if line.startswith('{"type"')]
    assert described == TOOLS
    assert system.startswith("Policy: be kind.\n\n")


@pytest.mark.parametrize(("name", "turns", "calls"), BOTH)
def test_the_form_that_is_asked_for_is_the_one_that_the_parser_reads(name: str, turns: Turns, calls: Calls) -> None:
    """Fill the pattern in the instructions with real values, as an obedient model does."""
    system = turns(render(name, CONVERSATION[:2], tools=TOOLS))[0][1]
    pattern = re.search(r"(<tool_call>\n)?\{\"name\": <[^>]*>, \"\w+\": <[^>]*>\}(\n</tool_call>)?", system)
    assert pattern is not None
    answer = re.sub(r": <[^>]*>", lambda match: ': "get_order"' if "name" in match[0] else ": {}", pattern[0], count=1)
    answer = re.sub(r": <[^>]*>", ': {"order_id": "#W2"}', answer)
    assert calls(answer) == [("get_order", EASY)]


@pytest.mark.parametrize(("name", "turns", "calls"), BOTH)
def test_without_tools_nothing_is_said_of_them_and_without_system_there_is_none(
    name: str, turns: Turns, calls: Calls
) -> None:
    plain = [{"role": "user", "content": "Hi"}]
    nothing: tuple[Any, ...] = (None, [])
    for tools in nothing:
        assert turns(render(name, plain, tools=tools, add_generation_prompt=True)) == [
            ("user", "Hi"),
            ("assistant", ""),
        ]
        with_system = [{"role": "system", "content": "Be brief."}, *plain]
        assert turns(render(name, with_system, tools=tools))[0] == ("system", "Be brief.")
    assert [role for role, _ in turns(render(name, plain, tools=TOOLS))] == ["system", "user"]


def test_llama_begins_with_the_tokenizers_first_token_if_it_has_one() -> None:
    plain = [{"role": "user", "content": " Hi\n"}]
    assert render(LLAMA, plain, bos_token="<|begin_of_text|>").startswith("<|begin_of_text|><|start_header_id|>user")
    assert render(LLAMA, plain, bos_token=None) == "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"


def test_hermes_lets_words_stand_before_calls() -> None:
    calls = [call("get_order", EASY), call("get_order", EASY)]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": calls},
    ]
    answer = hermes_turns(render(HERMES, messages))[-1][1]
    assert answer.startswith("Let me see.\n<tool_call>\n") and len(hermes_calls(answer)) == 2


def test_hermes_switches_thinking_off_by_an_empty_thought_and_only_when_asked() -> None:
    plain = [{"role": "user", "content": "Hi"}]
    off = render(HERMES, plain, add_generation_prompt=True, enable_thinking=False)
    assert off.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    for variables in ({}, {"enable_thinking": True}):
        assert render(HERMES, plain, add_generation_prompt=True, **variables).endswith("<|im_start|>assistant\n")


def test_hermes_forgets_old_thoughts_and_keeps_those_of_the_turn_that_goes_on() -> None:
    thought = "<think>\nold {}\n</think>\n\nSaid {}."
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": thought.format("a", "a")},
        {"role": "user", "content": "2"},
        {"role": "assistant", "content": thought.format("b", "b"), "tool_calls": [call("get_order", EASY)]},
        {"role": "tool", "content": "done"},
    ]
    text = render(HERMES, messages, add_generation_prompt=True)
    assert "old a" not in text and "Said a." in text and "old b" in text
