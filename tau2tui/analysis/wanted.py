"""What somebody wants to know of logs: what nobody asks for is not read, which takes most of the time."""

from __future__ import annotations

from dataclasses import dataclass

from tau2tui.analysis.frames import EVENTS, IDENTITY, with_identity


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of logs; the rest of what they say is missing from the frames."""

    columns: tuple[str, ...] = tuple(with_identity(EVENTS).names())
    """Of the events; `level` and `type` cost nothing."""
    rare: bool = True
    """Tasks, driver lines, errors, and the markers among the skipped lines."""
    once: bool = False
    """Whether the events are looked at once only, part by part: then those of a single log are not kept."""

    def in_several(self) -> Wanted:
        """The same of several files, between which copies must be told."""
        return Wanted(tuple(dict.fromkeys((*self.columns, *IDENTITY))), self.rare)


ALL = Wanted()
