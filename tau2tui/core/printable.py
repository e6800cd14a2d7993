"""Words from outside, made harmless: nothing from a log, a server or a cluster may act on a terminal.

What they are made for differs: `harmless` keeps the lines of a text, `one_line` makes one line of it, and
`as_displayed` gives what of a line a terminal would show in the end.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""C0 and C1 controls but for tab and newline, and the marks that turn the direction of text."""
_ESCAPES = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])"
"""A colour, a cursor movement, a title: CSI and OSC sequences, and the two-character ones. None goes on over a line."""
_IN_TEXT, _IN_BYTES = re.compile(_ESCAPES), re.compile(_ESCAPES.encode())


def harmless(text: str) -> str:
    """Text in which nothing can move the cursor, set a title, or turn the reading order; its lines and tabs stay."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def controls_escaped(json_text: str) -> str:
    """The same JSON with what would act on a terminal written as `\\u001b`."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


def one_line(text: str) -> str:
    """One line: what breaks it or is another kind of blank becomes a blank, what cannot be shown �."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else " " if mark.isspace() else "�" for mark in text)


def line_cut(text: str, width: int) -> str:
    """The same, cut to `width` characters."""
    text = one_line(text)
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def middle_cut(words: str, width: int) -> str:
    """Shorten in the middle: the end of a name tells it from others as much as its beginning."""
    if len(words) <= width:
        return words
    head = (width - 1) // 2
    return f"{words[:head]}…{words[len(words) - (width - 1 - head) :]}"


def without_escapes(text: str) -> str:
    """Text without terminal sequences."""
    return _IN_TEXT.sub("", text) if "\x1b" in text else text


def bytes_without_escapes(raw: bytes) -> bytes:
    """The same of bytes; the ends of lines are all still there."""
    return _IN_BYTES.sub(b"", raw) if b"\x1b" in raw else raw


def as_displayed(line: bytes) -> bytes:
    """The bytes of a line without what a carriage return overwrote, such as a progress bar, and without colours."""
    line = line.rstrip(b"\r")
    return bytes_without_escapes(line[line.rfind(b"\r") + 1 :])
