"""Values → what a screen shows of them; the only module that knows a glyph or a colour.

Every tone has a style, which the chosen look fills in, and every state a glyph and a word, so that nothing is lost
without colours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text

from tau2tui.core.command import Command, Launch, Relaunch, RelaunchJob, StartEval, StartSmoke, SteerEval, Stop
from tau2tui.core.model import EvalState
from tau2tui.core.printable import middle_cut as middle_cut
from tau2tui.core.printable import one_line
from tau2tui.core.quantities import UNKNOWN as UNKNOWN
from tau2tui.core.quantities import duration as duration
from tau2tui.core.quantities import latency as latency
from tau2tui.core.quantities import percent as percent
from tau2tui.core.quantities import size as size
from tau2tui.core.quantities import threshold as threshold
from tau2tui.core.quantities import whole as whole
from tau2tui.core.verdict import Standing

if TYPE_CHECKING:
    from tau2tui.core.endpoint import Probed


class Tone(StrEnum):
    """What a value means to the operator."""

    PLAIN = "plain"
    STRONG = "strong"
    MUTED = "muted"
    ACCENT = "accent"
    OK = "ok"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    DOUBT = "doubt"
    MATCH = "match"


STYLES: dict[Tone, Style] = dict.fromkeys(Tone, Style())
"""How each tone is drawn; `looks.wear` fills it in."""

_ASCII = {"on": False}


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a table: its text, taken literally, and its tone."""

    text: str
    tone: Tone = Tone.PLAIN
    value: float | None = None
    """As a number, if it is one and known: for order and filters. Seconds, shares 0–1, counts."""

    def render(self, *, right: bool = False) -> Text:
        """As rich text that is never wrapped; `right` aligns it to that side."""
        return Text(
            printable(self.text),
            style=STYLES[self.tone],
            justify="right" if right else "left",
            no_wrap=True,
            overflow="ellipsis",
        )


def text(*parts: tuple[str, Tone] | str) -> Text:
    """A line of parts, each taken literally."""
    line = Text(no_wrap=True, overflow="ellipsis")
    for part in parts:
        words, tone = (part, Tone.PLAIN) if isinstance(part, str) else part
        line.append(printable(words), STYLES[tone])
    return line


def printable(words: str) -> str:
    """Words from outside as one line that acts on no terminal; in ASCII alone where that is wanted."""
    words = one_line(words)
    return words if not _ASCII["on"] or words.isascii() else in_ascii(words)


def use_ascii(on: bool) -> None:
    """Draw with ASCII alone: for terminals and fonts without anything else."""
    _ASCII["on"] = on


def uses_ascii() -> bool:
    """Whether it does."""
    return _ASCII["on"]


def in_ascii(words: str) -> str:
    """Our own glyphs as ASCII marks of the same width, all other characters as question marks."""
    return words.translate(_ASCII_MARKS).encode("ascii", "replace").decode()


_ASCII_MARKS = str.maketrans(
    {
        "●": "+",
        "◐": "~",
        "▲": "!",
        "✖": "X",
        "◌": ".",
        "■": "#",
        "○": "o",
        "✔": "+",
        "‖": "=",
        "–": "-",
        "·": "|",
        "…": "~",
        "±": "~",
        "▸": ">",
        "▾": "v",
        "▴": "^",
        "▼": "v",
        "⏎": "<",
        "━": "=",
        "─": "-",
        "│": "|",
        "┤": "|",
        "├": "|",
        "┼": "+",
        "┬": "+",
        "┴": "+",
        "└": "+",
        "┘": "+",
        "┌": "+",
        "┐": "+",
        "×": "x",
        "→": ">",
        "↑": "^",
        "↓": "v",
        "░": ".",
        "▒": ":",
        "▓": "%",
        **dict.fromkeys("▁▂▃", "."),
        **dict.fromkeys("▄▅▆▌▐▖▗▘▝▞▚▙▛▜▟", ":"),
        **dict.fromkeys("▇█▀", "#"),
    }
)


# --- states ------------------------------------------------------------------------------------------------------

STANDINGS: dict[Standing, tuple[str, Tone]] = {
    Standing.READY: ("●", Tone.OK),
    Standing.STARTING: ("◐", Tone.BUSY),
    Standing.DEGRADED: ("▲", Tone.WARN),
    Standing.FAILED: ("✖", Tone.BAD),
    Standing.UNKNOWN: ("?", Tone.DOUBT),
    Standing.QUEUED: ("◌", Tone.MUTED),
    Standing.STOPPING: ("■", Tone.WARN),
    Standing.STOPPED: ("■", Tone.MUTED),
    Standing.ABSENT: ("○", Tone.MUTED),
}
"""Glyph and tone, in the order in which a summary counts them."""

EVAL_STATES: dict[EvalState, tuple[str, Tone]] = {
    EvalState.STARTING: ("◐", Tone.BUSY),
    EvalState.RUNNING: ("●", Tone.OK),
    EvalState.PAUSED: ("‖", Tone.WARN),
    EvalState.STOPPING: ("■", Tone.WARN),
    EvalState.FINISHED: ("✔", Tone.OK),
    EvalState.STOPPED: ("■", Tone.MUTED),
    EvalState.FAILED: ("✖", Tone.BAD),
}


def standing_cell(standing: Standing, phase: str, *, old: bool) -> Cell:
    """Glyph and word of a standing; a starting replica shows its boot phase, an old reading a question mark."""
    glyph, tone = STANDINGS[standing]
    word = phase if standing is Standing.STARTING and phase else standing.value
    if old and standing is not Standing.UNKNOWN:
        return Cell(f"{glyph} {word}?", Tone.MUTED)
    return Cell(f"{glyph} {word}", tone)


# --- numbers -----------------------------------------------------------------------------------------------------


def numbers(values: tuple[int, ...]) -> str:
    """A few numbers, runs joined: 0-3, 0,2, 6-7."""
    if not values:
        return UNKNOWN
    if len(values) > 1 and values == tuple(range(values[0], values[-1] + 1)):
        return f"{values[0]}-{values[-1]}"
    return ",".join(map(str, values))


def bar(share: float, width: int) -> Text:
    """A progress bar: heavy line for what is done, light for what is not."""
    done = min(width, max(0, round(share * width)))
    return text(("━" * done, Tone.ACCENT), ("─" * (width - done), Tone.MUTED))


def probed_words(found: Probed) -> str:
    """What a look at a server proved, and why no more."""
    level = found.level.value if found.level else "no answer"
    models = ", ".join(model.id for model in found.models)
    return "  ".join(filter(None, (level, found.why, models, *found.notes)))


def command_words(command: Command) -> str:
    """A command as a toast and a review sheet call it; one without words of its own goes by its name."""
    match command:
        case Launch():
            return "launch the fleet"
        case Relaunch(replicas):
            return f"relaunch {', '.join(replicas)}"
        case RelaunchJob(job):
            return f"relaunch job {job}"
        case Stop(replicas, jobs):
            return f"stop {', '.join((*replicas, *jobs)) or 'everything of this run'}"
        case StartEval():
            return "start the evaluation"
        case StartSmoke():
            return "run the smoke test"
        case SteerEval("concurrency", value):
            return f"run {value} simulations at once"
        case SteerEval("skip", value):
            return f"skip {value}"
        case SteerEval("finish"):
            return "stop the evaluation when what runs has ended"
        case SteerEval("budget_usd", value):
            return f"set the evaluation's budget to ${value}"
        case SteerEval("budget_tokens", value):
            return f"set the evaluation's budget to {value} tokens"
        case SteerEval(verb):
            return f"{verb} the evaluation"
        case _:
            return re.sub(r"(?<!^)(?=[A-Z])", " ", type(command).__name__).lower()
