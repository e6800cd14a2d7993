"""Markdown as lines for a terminal: every word of it is text, links lead nowhere, tables keep their columns.

Textual's own Markdown makes a widget of every cell, which stops the screen for seconds at the tables of a report; these
lines are made in a thread and drawn only where they are in sight. Imports markdown-it: only there.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from tau2tui.tui.format import Tone

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

Part = tuple[str, Tone]
Line = tuple[Part, ...]
_WORD = re.compile(r"\s+|\S+")
_CELL = 60
"""Columns that a cell of a table may take; what stands in more is cut."""
_LEAST = 20
_LAID_OUT = 80


def markdown_lines(source: str, width: int) -> tuple[Line, ...]:
    """The lines of a text, wrapped at a width; tables and literal text are as wide as they are."""
    return tuple(_Layout(max(width, _LEAST)).lines(_parser().parse(source)))


def plain_text_lines(source: str, width: int) -> tuple[Line, ...]:
    """Text that is laid out for 80 columns already; only sentences that are longer are wrapped."""
    lines: list[Line] = []
    for words in source.split("\n"):
        line = ((words, Tone.PLAIN),)
        lines += _wrapped(line, width) if cell_len(words) > _LAID_OUT else [line]
    return tuple(lines)


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass
class _Layout:
    """Walks over the tokens; `_prefix` is what stands before every line inside lists and quotes."""

    width: int
    _lines: list[Line] = field(default_factory=list)
    _prefix: list[str] = field(default_factory=list)
    _next_prefix: str | None = None
    """For the first line of a list's item: its mark."""
    _numbers: list[int | None] = field(default_factory=list)

    def lines(self, tokens: Sequence[Token]) -> list[Line]:
        place = 0
        while place < len(tokens):
            token = tokens[place]
            if token.type == "table_open":
                end = next(later for later in range(place, len(tokens)) if tokens[later].type == "table_close")
                self._table(tokens[place:end])
                place = end
            else:
                self._block(token, tokens[place - 1] if place else token)
            place += 1
        while self._lines and not self._lines[-1]:
            self._lines.pop()
        return self._lines

    def _block(self, token: Token, before: Token) -> None:
        match token.type:
            case "inline":
                self._inline(token, before)
            case "heading_close" | "paragraph_close":
                if not (token.hidden or self._numbers):
                    self._gap()
            case "fence" | "code_block":
                for words in token.content.rstrip("\n").split("\n"):
                    self._put(((f"  {words}", Tone.ACCENT),))
                self._gap()
            case "hr":
                self._put((("─" * (self.width - len(self._before)), Tone.MUTED),))
                self._gap()
            case "bullet_list_open":
                self._numbers.append(None)
            case "ordered_list_open":
                self._numbers.append(int(token.attrGet("start") or 1))
            case "list_item_open":
                self._item()
            case "blockquote_open":
                self._prefix.append("│ ")
            case "list_item_close" | "blockquote_close":
                self._prefix.pop()
                if token.type == "blockquote_close":
                    self._gap()
            case "bullet_list_close" | "ordered_list_close":
                self._numbers.pop()
                if not self._numbers:
                    self._gap()
            case _:
                pass

    @property
    def _before(self) -> str:
        return "".join(self._prefix)

    def _item(self) -> None:
        number = self._numbers[-1]
        mark = "· " if number is None else f"{number}. "
        if number is not None:
            self._numbers[-1] = number + 1
        self._next_prefix = self._before + mark
        self._prefix.append(" " * len(mark))

    def _inline(self, token: Token, before: Token) -> None:
        heading = before.type == "heading_open"
        tone = (Tone.ACCENT if before.tag in ("h1", "h2") else Tone.STRONG) if heading else Tone.PLAIN
        if heading and self._lines and self._lines[-1]:
            self._gap()
        for line in _wrapped(_inline_parts(token, tone), self.width - len(self._before)):
            self._put(line)
        if heading and before.tag == "h1":
            self._put((("━" * min(self.width, cell_len(token.content)), Tone.ACCENT),))

    def _table(self, tokens: Sequence[Token]) -> None:
        rows = list(_table_rows(tokens))
        if not rows:
            return
        count = max(len(row) for row in rows)
        right = _right_columns(tokens, count)
        texts = [[_cut(row[place] if place < len(row) else "") for place in range(count)] for row in rows]
        widths = [max(cell_len(row[place]) for row in texts) for place in range(count)]
        headed = any(texts[0])
        for number, row in enumerate(texts if headed else texts[1:]):
            cells = [_filled(cell, width, right=to) for cell, width, to in zip(row, widths, right, strict=True)]
            tone = Tone.STRONG if headed and number == 0 else Tone.PLAIN
            self._put((("  ".join(cells).rstrip(), tone),))
            if headed and number == 0:
                self._put((("  ".join("─" * width for width in widths), Tone.MUTED),))
        self._gap()

    def _put(self, line: Line) -> None:
        before, self._next_prefix = self._next_prefix or self._before, None
        self._lines.append(((before, Tone.MUTED), *line) if before else line)

    def _gap(self) -> None:
        if self._lines and self._lines[-1]:
            self._lines.append(())


def _inline_parts(token: Token, base: Tone) -> list[Part]:
    """The words of a line with their tones; of a link and of a picture also where they would lead, as text."""
    parts: list[Part] = []
    tones, hrefs = [base], []
    for child in token.children or ():
        match child.type:
            case "text":
                parts.append((child.content, tones[-1]))
            case "code_inline":
                parts.append((child.content, Tone.ACCENT))
            case "softbreak":
                parts.append((" ", tones[-1]))
            case "hardbreak":
                parts.append(("\n", tones[-1]))
            case "strong_open" | "em_open":
                tones.append(Tone.STRONG)
            case "strong_close" | "em_close":
                tones.pop()
            case "link_open":
                hrefs.append(str(child.attrGet("href") or ""))
            case "link_close":
                parts.append((f" ({hrefs.pop()})", Tone.MUTED))
            case "image":
                parts.append((f"[picture: {child.attrGet('src')}]", Tone.MUTED))
            case _:
                parts.append((child.content, tones[-1]))
    return parts


def _wrapped(parts: Sequence[Part], width: int) -> Iterator[Line]:
    """Lines of at most so many cells, broken between words; a longer word is cut into pieces."""
    width = max(width, _LEAST)
    line: list[Part] = []
    used = 0
    for words, tone in parts:
        for piece in _WORD.findall(words):
            if piece == "\n":
                yield _joined(line)
                line, used = [], 0
                continue
            if piece.isspace():
                if used and used < width:
                    line.append((" ", tone))
                    used += 1
                continue
            if used and used + cell_len(piece) > width:
                yield _joined(line)
                line, used = [], 0
            while cell_len(piece) > width:
                yield ((head := set_cell_size(piece, width), tone),)
                piece = piece[len(head) :]
            line.append((piece, tone))
            used += cell_len(piece)
    if line:
        yield _joined(line)


def _joined(parts: Sequence[Part]) -> Line:
    """Neighbours of one tone as one part."""
    return tuple(
        ("".join(words for words, _ in same), tone) for tone, same in itertools.groupby(parts, lambda part: part[1])
    )


def _table_rows(tokens: Sequence[Token]) -> Iterator[list[str]]:
    row: list[str] = []
    for token in tokens:
        if token.type == "tr_open":
            row = []
        elif token.type == "inline":
            row.append("".join(words for words, _ in _inline_parts(token, Tone.PLAIN)))
        elif token.type == "tr_close":
            yield row


def _right_columns(tokens: Sequence[Token], count: int) -> list[bool]:
    """The columns that are to stand to the right."""
    styles = [str(token.attrGet("style") or "") for token in tokens if token.type == "th_open"]
    return [place < len(styles) and "right" in styles[place] for place in range(count)]


def _cut(cell: str) -> str:
    cell = " ".join(cell.split())
    return cell if cell_len(cell) <= _CELL else set_cell_size(cell, _CELL - 1) + "…"


def _filled(cell: str, width: int, *, right: bool) -> str:
    fill = " " * (width - cell_len(cell))
    return fill + cell if right else cell + fill
