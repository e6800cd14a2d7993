"""One line of truth: the run, how many replicas stand how, the evaluation, and how old all that is."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.tui.format import STANDINGS, Tone, text
from tau2tui.tui.summary import Summary


class StatusLine(Widget):
    """With words where there is room; else the counts are glyphs alone, and the ages are left out."""

    summary: reactive[Summary] = reactive(Summary(""))

    def render(self) -> Text:
        line = self._line(words=True)
        return line if line.cell_len <= self.size.width else self._line(words=False)

    def _line(self, *, words: bool) -> Text:
        summary = self.summary
        counts = [
            text((f"{glyph}{number}", tone), f" {standing}" if words else "")
            for standing, number in summary.standings
            for glyph, tone in [STANDINGS[standing]]
        ]
        mark = text((f" {summary.as_of} ", Tone.MATCH)) if summary.as_of else Text()
        back = text((". goes back to now" if summary.as_of and words else "", Tone.MUTED))
        parts = [mark, back, text((summary.title, Tone.STRONG)), Text(" ").join(counts), text(summary.evaluation)]
        if words:
            parts.append(text((summary.ages, Tone.MUTED)))
        line = Text("  ").join(part for part in parts if part)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line
