"""docs/configuration.md, of the models of config.toml: `python -m tau2tui.cli.config_page > docs/configuration.md`.

Types, limits and defaults are those of the models' JSON schema; what a setting means is the docstring below it, read
from the source, because keeping these at run time would cost every start of the program.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any

from tau2tui import config

_HEAD = """# Configuration

`tau2tui init` writes a commented `config.toml` with the fleet of the seed's run; this page has every setting. All are
optional except the models in `[experts.*]`. Unknown keys are refused, with the nearest known one. A path may hold `~`,
the home on the machine where it is used, and `$VAR`, of the shell that starts tau2tui. This page is made from the
models that check the file.
"""

_CLASS_OF_ROOT = "Config"


def page() -> str:
    """The page as Markdown: a section for each table of the file, in the order of the file."""
    schema = config.Config.model_json_schema()
    return "\n".join([_HEAD, *_table(schema, schema["$defs"], _CLASS_OF_ROOT, "")])


def documented() -> dict[str, dict[str, str]]:
    """Class → field → its docstring, of all models of `tau2tui.config`; an empty text where there is none."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(config)).body:
        if isinstance(node, ast.ClassDef) and any(isinstance(base, ast.Name) for base in node.bases):
            found[node.name] = dict(_fields(node.body))
    return found


def _fields(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = after.value if isinstance(after, ast.Expr) else None
            said = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
            yield statement.target.id, inspect.cleandoc(said)


def _table(schema: dict[str, Any], definitions: dict[str, Any], name: str, path: str) -> Iterator[str]:
    """The settings of one table of the file, and then the tables within it, each under a heading of its own."""
    texts, required = documented()[name], schema.get("required", ())
    fields = schema["properties"]
    # At the root of the file there are tables only, those whose keys are names of somebody's own among them.
    within = [key for key, field in fields.items() if _inner(field)[0] or not path]
    if rows := [_row(key, field, texts[key], key in required) for key, field in fields.items() if key not in within]:
        yield "\n".join(["| setting | value | default | what it is |", "|---|---|---|---|", *rows, ""])
    for key in within:
        inner, opening = _inner(fields[key])
        where = f"{path}.{key}".strip(".")
        yield f"## `{opening.format(where)}`\n"
        if texts[key]:
            yield f"{_sentence(texts[key])}\n"
        if inner:
            yield f"{_sentence(definitions[inner]['description'])}\n"
            yield from _table(definitions[inner], definitions, inner, where)
        elif default := fields[key].get("default"):
            lines = [f"{name} = {_toml(value)}" for name, value in default.items()]
            yield "\n".join(["Without this table:", "", "```toml", f"[{where}]", *lines, "```", ""])


def _inner(field: dict[str, Any]) -> tuple[str, str]:
    """The model of a table, or of the tables in it, and how its head is written; no model for a single setting."""
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2], "[{}]"
    if "$ref" in field.get("additionalProperties", {}):
        return field["additionalProperties"]["$ref"].rpartition("/")[2], "[{}.NAME]"
    if "$ref" in field.get("items", {}):
        return field["items"]["$ref"].rpartition("/")[2], "[[{}]]"
    return "", "[{}]"


def _row(key: str, field: dict[str, Any], text: str, required: bool) -> str:
    default = "" if required else "–" if field.get("default") is None else f"`{_toml(field['default'])}`"
    meaning = " ".join(text.split())
    cells = (f"`{key}`", _kind(field), "*required*" if required else default, meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(field: dict[str, Any]) -> str:
    """What may stand there, in words: the type with its limits, or the choices."""
    if "anyOf" in field:
        kinds = [_kind(each) for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in field:
        return ", ".join(f"`{_toml(each)}`" for each in field["enum"])
    match field.get("type"):
        case "array":
            return f"list of {_plural(field.get('items', {}))}"
        case "object":
            return "table"
        case "boolean":
            return "`true` or `false`"
        case "integer" | "number" as kind:
            return ("whole number" if kind == "integer" else "number") + _limits(field)
        case _:
            return "text"


def _plural(items: dict[str, Any]) -> str:
    kind = _kind(items)
    return {"text": "texts", "table": "tables"}.get(kind, kind if "`" in kind else kind.replace("number", "numbers", 1))


def _limits(field: dict[str, Any]) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    if least is not None and most is not None:
        return f" ({least:g} to {most:g})"
    if (above := field.get("exclusiveMinimum")) is not None:
        return f" (more than {above:g}" + (f", at most {most:g})" if most is not None else ")")
    return f" (at least {least:g})" if least is not None else ""


def _toml(value: Any) -> str:
    """A default as it is written in the file."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _sentence(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.stdout.write(page())
