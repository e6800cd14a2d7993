"""Beside an open log, where there is room: its errors, what they show, and the bookmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.tui.format import Cell, Tone, duration, size, text, whole
from tau2tui.tui.log_catalog import KnownLog

_NONE = Cell("")
_NEWEST = 8
"""So many errors and bookmarks are named."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the open log."""

    log: KnownLog | None = None
    state: Cell = _NONE
    why: str = ""
    """What is wrong with its writer."""
    age_s: float | None = None
    errors: Sequence[str] = ()
    """Lines that tell of errors, of what is loaded, the newest last."""
    causes: Sequence[str] = ()
    """What a diagnosis says of them."""
    bookmarks: Sequence[str] = ()


class LogFacts(Widget):
    """Full names and full reasons, wrapped."""

    facts: reactive[Facts] = reactive(Facts())

    def render(self) -> Group:
        facts = self.facts
        if facts.log is None:
            return Group()
        log = facts.log
        about = f"{log.kind} · {size(log.entry.size) if log.entry.size is not None else 'size not known'}"
        age = f" · changed {duration(facts.age_s)} ago" if facts.age_s is not None else ""
        lines = [text((log.name, Tone.STRONG)), text((about + age, Tone.MUTED))]
        if facts.state.text:
            lines.append(text((facts.state.text, facts.state.tone), f"  {facts.why}" if facts.why else ""))
        if facts.causes:
            lines += [text(), text(("DIAGNOSIS", Tone.MUTED)), *(text((words, Tone.DOUBT)) for words in facts.causes)]
        count = f"{whole(len(facts.errors))} in what is loaded" if facts.errors else "none in what is loaded"
        lines += [text(), text(("ERRORS  ", Tone.MUTED), count)]
        lines += [text(("! ", Tone.BAD), words) for words in facts.errors[-_NEWEST:]]
        if facts.bookmarks:
            lines += [text(), text(("BOOKMARKS", Tone.MUTED)), *_listed(facts.bookmarks)]
        for line in lines:
            line.no_wrap = False
        return Group(*lines)


def _listed(words: Sequence[str]) -> list[Text]:
    return [text(("* ", Tone.ACCENT), each) for each in words[:_NEWEST]]
