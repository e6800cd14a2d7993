"""Rules about tool calls: parser, chat template and model must speak the same dialect."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tau2tui.chat_templates import builtin_names, template_text
from tau2tui.config import Config, ExpertConfig
from tau2tui.core.layout import BUILTIN_TEMPLATE
from tau2tui.core.lint.arguments import has, last_value, server_arguments
from tau2tui.core.lint.facts import Facts, Place
from tau2tui.core.lint.rule import Rule, Severity, Trouble
from tau2tui.core.vllm_flags import shipped, version_of


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to write tool calls: the parsers that look for it, and how a template of it is known."""

    name: str
    parsers: frozenset[str]
    mark: str
    """A regular expression that only templates of this dialect match (the first dialect that matches counts)."""
    file_name: str
    """The same for names of template files, where the text cannot be read; vLLM's examples are named like this."""


DIALECTS = (
    Dialect("<function=…> blocks", frozenset({"qwen3_coder", "qwen3_xml"}), r"<function=", r"qwen3.?(coder|xml)"),
    Dialect("<tool_call> blocks", frozenset({"hermes"}), r"<tool_call>", r"hermes"),
    Dialect("[TOOL_CALLS] lists", frozenset({"mistral"}), r"\[TOOL_CALLS\]", r"mistral"),
    Dialect(
        'bare JSON {"name": …, "parameters": …}',
        frozenset({"llama3_json", "llama4_json"}),
        r'"name\\?"[^}]{0,80}"parameters\\?"',
        r"llama.*json",
    ),
)


_NEED_PYTHON_TAG = frozenset({"llama3_json", "llama4_json"})


def parser_of(expert: ExpertConfig) -> str:
    """The parser that the servers of an expert will use; empty for none."""
    return last_value(server_arguments(expert), "--tool-call-parser") or expert.tool_call_parser


def template_of(expert: ExpertConfig) -> str:
    """The chat template that they will use: a path, builtin:NAME, or empty for the model's own."""
    return last_value(server_arguments(expert), "--chat-template") or expert.chat_template


def tool_parser_missing(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        if expert.role != "agent" and expert.probe != "tools":
            continue
        arguments = server_arguments(expert)
        where = f"experts.{name}.tool_call_parser"
        if not parser_of(expert):
            yield Trouble(where, f"{name} has none, and is asked for tool calls")
        elif has(arguments, "--no-enable-auto-tool-choice"):
            yield Trouble(f"experts.{name}.args", f"--no-enable-auto-tool-choice makes {where} useless")
        elif not expert.tool_call_parser and not has(arguments, "--enable-auto-tool-choice"):
            yield Trouble(f"experts.{name}.args", "--tool-call-parser does nothing without --enable-auto-tool-choice")


def unknown_tool_parser(config: Config, facts: Facts) -> Iterator[Trouble]:
    versions = (facts.flags,) if facts.flags and facts.flags.tool_call_parsers else shipped()
    for name, expert in config.experts.items():
        parser = parser_of(expert)
        if not parser or has(server_arguments(expert), "--tool-parser-plugin"):
            continue
        if not any(parser in flags.tool_call_parsers for flags in versions):
            known = sorted(versions[-1].tool_call_parsers)
            nearest = difflib.get_close_matches(parser, known, n=1)
            yield Trouble(
                f"experts.{name}.tool_call_parser",
                f"vLLM {', '.join(flags.version for flags in versions)} has no parser {parser!r}",
                f"did you mean {nearest[0]!r}?" if nearest else f"it has {', '.join(known)}",
                Severity.ERROR if facts.flags else Severity.WARNING,
            )


def gpt_oss_parser(config: Config, facts: Facts) -> Iterator[Trouble]:
    fails = (0, 12) <= version_of(facts.vllm_version) < (0, 17)
    for name, expert in config.experts.items():
        is_gpt_oss = "gpt-oss" in expert.model.lower() or facts.model(name).model_type == "gpt_oss"
        parser = parser_of(expert)
        if is_gpt_oss and parser and parser != "openai":
            yield Trouble(
                f"experts.{name}.tool_call_parser",
                f"{expert.model} answers in the harmony format, which {parser!r} cannot read",
                severity=Severity.ERROR if fails else Severity.WARNING,
            )


def python_tag(config: Config, facts: Facts) -> Iterator[Trouble]:
    version = version_of(facts.vllm_version)
    if version and version < (0, 17):
        return
    for name, expert in config.experts.items():
        parser = parser_of(expert)
        if parser in _NEED_PYTHON_TAG and facts.model(name).has_python_tag is False:
            yield Trouble(
                f"experts.{name}.tool_call_parser",
                f"{parser!r} needs the token <|python_tag|>, which the tokenizer of {expert.model} does not have",
                severity=Severity.ERROR if version >= (0, 32) else Severity.WARNING,
            )


def template_missing(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        template = template_of(expert)
        where = f"experts.{name}.chat_template"
        if template.startswith(BUILTIN_TEMPLATE):
            if template.removeprefix(BUILTIN_TEMPLATE) not in builtin_names():
                names = ", ".join(BUILTIN_TEMPLATE + known for known in builtin_names())
                yield Trouble(where, f"there is no {template}", f"there are {names}")
        elif facts.paths.get(template) in (Place.MISSING, Place.UNREADABLE, Place.DIRECTORY):
            yield Trouble(where, f"{template} is {facts.paths[template]} on {facts.host}")


def template_parser(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        parser, template = parser_of(expert), template_of(expert)
        wanted = next((dialect for dialect in DIALECTS if parser in dialect.parsers), None)
        text = facts.templates.get(template, "") if template else facts.model(name).chat_template
        if template.startswith(BUILTIN_TEMPLATE) and template.removeprefix(BUILTIN_TEMPLATE) in builtin_names():
            text = template_text(template.removeprefix(BUILTIN_TEMPLATE))
        spoken = dialect_of(text) if text else dialect_of_name(template)
        if wanted is None or spoken is None or spoken is wanted:
            continue
        which = template.rpartition("/")[2] or "the model's own template"
        remedy = f"use a template for {parser!r}" + _ours(wanted)
        if not (facts.model(name).has_python_tag is False and spoken.parsers & _NEED_PYTHON_TAG):
            remedy += f', or tool_call_parser = "{min(spoken.parsers)}"'
        yield Trouble(
            f"experts.{name}.chat_template",
            f"{which} {'asks' if text else 'asks, by its name,'} for {spoken.name}; {parser!r} looks for {wanted.name}",
            remedy,
        )


def dialect_of(text: str) -> Dialect | None:
    """The dialect that the text of a chat template asks the model for."""
    return next((dialect for dialect in DIALECTS if re.search(dialect.mark, text, re.DOTALL)), None)


def dialect_of_name(path: str) -> Dialect | None:
    """The dialect that the name of a template file promises."""
    name = path.rpartition("/")[2].lower()
    return next((dialect for dialect in DIALECTS if re.search(dialect.file_name, name)), None)


def _ours(wanted: Dialect) -> str:
    """One of our templates that speaks a dialect, as words; empty if there is none."""
    name = next((name for name in builtin_names() if dialect_of(template_text(name)) is wanted), "")
    return f" such as {BUILTIN_TEMPLATE}{name}" if name else ""


RULES = (
    Rule(
        "tool-parser-missing",
        Severity.ERROR,
        'Requests with tools are refused: `"auto" tool choice requires --enable-auto-tool-choice`. '
        "The replica is never proved ready.",
        'set tool_call_parser, which adds --enable-auto-tool-choice; probe = "text" if it is never given tools',
        "vllm/entrypoints/openai/serving_chat.py of 0.12.0",
        tool_parser_missing,
        vllm_only=True,
    ),
    Rule(
        "unknown-tool-parser",
        Severity.ERROR,
        "vLLM ends with status 1: `KeyError: invalid tool call parser`.",
        "use one of those that `vllm serve --help=all` lists",
        "the choices of --tool-call-parser in `vllm serve --help=all`",
        unknown_tool_parser,
        vllm_only=True,
    ),
    Rule(
        "gpt-oss-parser",
        Severity.ERROR,
        "vLLM 0.12 to 0.16 hands token ids to the parser of a harmony model, which only `openai` takes: a request "
        "with tools that is not streamed ends in HTTP 500, `unexpected keyword argument 'token_ids'`. 0.32 passes over "
        "the parser that is named. It does not cure `unexpected tokens remaining in message header`, which is retried.",
        'tool_call_parser = "openai"',
        "vllm/entrypoints/openai/serving_chat.py of 0.12.0 to 0.16.0; vllm/parser/parser_manager.py of 0.32.0",
        gpt_oss_parser,
        vllm_only=True,
    ),
    Rule(
        "python-tag",
        Severity.ERROR,
        "The parser looks the token up when it is made and ends the request: `could not locate the bot token`.",
        'use the model\'s own template, or "builtin:hermes", with tool_call_parser = "hermes"',
        "vllm/tool_parsers/llama_tool_parser.py of 0.32.0; up to 0.16.0 any tokenizer will do",
        python_tag,
        vllm_only=True,
    ),
    Rule(
        "template-missing",
        Severity.ERROR,
        "vLLM ends when it looks for the file, or takes its name for the template itself.",
        "name a file on the cluster's shared file system, or one of ours",
        "vllm/entrypoints/chat_utils.py, load_chat_template",
        template_missing,
    ),
    Rule(
        "template-parser",
        Severity.WARNING,
        "The template tells the model to write tool calls in one way, the parser looks for another: calls come back as "
        "plain text, and the agent does nothing.",
        "let both speak the same",
        "vllm/entrypoints/openai/tool_parsers, the marks each parser looks for",
        template_parser,
        vllm_only=True,
    ),
)
