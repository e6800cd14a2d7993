"""A part of a report that is a table: what it holds, how its figures are written, and the origin of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tau2tui.analysis.provenance import settings_that_matter
from tau2tui.analysis.run_files import RunFiles

_INCIDENTS = 200


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a sentence and a table; so many columns are text, the others stand to the right."""

    title: str
    intro: str
    head: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    text: int = 1


def origin_sections(files: RunFiles) -> list[Section]:
    """Incidents, configuration and versions."""
    incidents = files.incidents[-_INCIDENTS:]
    return [
        Section(
            "Incidents",
            f"What failed, and what was asked of the fleet; the last {len(incidents)} of {len(files.incidents)}.",
            ("when", "what", "why"),
            tuple((f"{datetime.fromtimestamp(one.at):%Y-%m-%d %H:%M:%S}", one.what, one.why) for one in incidents),
            text=3,
        ),
        Section(
            "Configuration",
            "As it was submitted: what can change results.",
            ("setting", "value"),
            tuple(settings_that_matter(files.tables)),
            text=2,
        ),
        Section("Versions", "", ("program", "version"), tuple(files.versions.items()), text=2),
    ]


def summary(sections: Iterable[Section]) -> dict[str, list[dict[str, object]]]:
    """The tables for a program, by title, as they are written in the report."""
    return {part.title: [dict(_named(part.head, row)) for row in part.rows] for part in sections if part.rows}


def percent(share: float | None, decimals: int = 1) -> str | None:
    return None if share is None else f"{share * 100:.{decimals}f} %"


def fixed(value: float | None, decimals: int = 1) -> str | None:
    # Adding 0 takes the sign from what is rounded to -0.
    return None if value is None else f"{round(value, decimals) + 0:.{decimals}f}"


def between(interval: tuple[float, float] | None, shown: Any) -> str | None:
    return None if interval is None else f"{shown(interval[0])} – {shown(interval[1])}"


def _named(head: Sequence[str], row: Sequence[object]) -> Iterable[tuple[str, object]]:
    """The cells by their heading; an interval's by that of the figure before it as well."""
    before = ""
    for name, cell in zip(head, row, strict=True):
        yield (f"{before} {name}" if name.startswith("95 %") else name), cell
        before = name
