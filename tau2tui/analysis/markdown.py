"""Markdown in which nothing from a log can be anything but text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from tau2tui.core.printable import one_line

_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def escape(value: object) -> str:
    """Text that stands in a table cell, or within a line, as it is: no markup, no HTML, no line break; None is `–`."""
    if value is None:
        return "–"
    return _SPECIAL.sub(r"\\\g<0>", one_line(str(value))).translate(_ENTITIES)


def template(name: str, filters: Mapping[str, Callable[..., str]] | None = None) -> Template:
    """A template of this package, with filters of its own; its every expression is escaped without asking for it."""

    def finalize(value: object) -> Markup:
        return value if isinstance(value, Markup) else Markup(escape(value))  # noqa: S704 - just escaped

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        finalize=finalize,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(name)
