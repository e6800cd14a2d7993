"""The colours of the charts: told apart by everyone, and the same for a series in every chart of a report."""

from __future__ import annotations

from collections.abc import Iterable

from tau2tui.analysis.measures import ORCHESTRATOR

# M. Okabe & K. Ito, "Color Universal Design" (2008), without black, which is the text's.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILION, YELLOW = "#56B4E9", "#D55E00", "#F0E442"
GREY, DARK = "#999999", "#222222"
_EXPERTS = (ORANGE, GREEN, PURPLE, SKY, YELLOW)
_TOOLS = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, VERMILION)


def series_colors(series: Iterable[str]) -> dict[str, str]:
    """A colour for each series: blue for the orchestrator, grey for user simulator, evaluator and tools.

    Experts take theirs by name, not by how often they were called, so that two runs of one fleet look alike.
    """
    names = sorted(set(series))
    experts = [name for name in names if name.startswith("expert")]
    colors = {name: _EXPERTS[place % len(_EXPERTS)] for place, name in enumerate(experts)}
    for name in names:
        colors.setdefault(name, BLUE if name.split(":")[0] == ORCHESTRATOR else GREY)
    return colors


def stack_colors(names: Iterable[str]) -> dict[str, str]:
    """Colours for the parts of a stack that have none of their own; what is left over is grey."""
    found = dict(zip(names, _TOOLS, strict=False))
    return {name: found.get(name, GREY) for name in (*found, OTHERS)}


OTHERS = "others"
