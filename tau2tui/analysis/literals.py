"""What a line must hold so that a regular expression can match in it: plain text, that is sought in bulk."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SHORTEST = 4
"""A shorter text stands in too many lines to tell anything."""
_INLINE_FLAGS = re.compile(r"\(\?[aiLmsux-]")
_REPEATED_OR_NOT = "?*{"


def required_literals(pattern: str) -> tuple[str, ...] | None:
    """ASCII texts of which every match of the expression holds at least one; None if it is not plain that there are.

    Careful rather than clever: groups and classes are passed over, and inline flags (they may ignore the case) give up.
    """
    if _INLINE_FLAGS.search(pattern):
        return None
    longest = [max(pieces, key=len) for pieces in _alternatives(pattern)]
    return tuple(longest) if all(len(text) >= _SHORTEST for text in longest) else None


def _alternatives(pattern: str) -> Iterator[list[str]]:
    """The unconditional texts of each alternative of an expression that compiles."""
    pieces, at = [""], 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "|":
            yield pieces
            pieces = [""]
        elif char == "(":
            at = _behind_group(pattern, at)
            pieces.append("")
        elif char == "[":
            at = _behind_class(pattern, at)
            pieces.append("")
        elif char in _REPEATED_OR_NOT:
            pieces[-1] = pieces[-1][:-1]
            at = pattern.find("}", at) + 1 if char == "{" and "}" in pattern[at:] else at
            pieces.append("")
        elif char in "+.^$":
            pieces.append("")
        elif char == "\\":
            escaped = pattern[at : at + 1]
            at += 1
            if escaped.isalnum():
                # A class, a boundary, a reference, or a character by its number, of which digits may follow.
                while escaped in "xuUN0123456789" and pattern[at : at + 1].isalnum():
                    at += 1
                pieces.append("")
            else:
                pieces[-1] += escaped
        elif char.isascii():
            pieces[-1] += char
        else:
            pieces.append("")
    yield pieces


def _behind_class(pattern: str, at: int) -> int:
    """Where a class that begins before `at` has ended; a bracket that comes first in it is one of its members."""
    at += pattern.startswith("^", at)
    at += pattern.startswith("]", at)
    while pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def _behind_group(pattern: str, at: int) -> int:
    depth = 1
    while depth:
        char = pattern[at]
        at += 2 if char == "\\" else 1
        if char == "[":
            at = _behind_class(pattern, at)
        depth += (char == "(") - (char == ")")
    return at
