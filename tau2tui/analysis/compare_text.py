"""A comparison in words: Markdown for a file, columns for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tau2tui.analysis.aligned import columns
from tau2tui.analysis.compare import Comparison, Shift
from tau2tui.analysis.markdown import template
from tau2tui.analysis.statistics import Interval
from tau2tui.core.printable import line_cut

_WIDTH = 80


def to_markdown(comparison: Comparison) -> str:
    """The comparison as Markdown, in which nothing from a log is markup."""
    filters: dict[str, Callable[..., str]] = {
        "points": points,
        "points_interval": points_interval,
        "p_value": p_value,
        "signed": signed,
        "figure": figure,
        "interval": interval,
        "capitalize_first": lambda text: text[:1].upper() + text[1:],
    }
    return template("compare.md.j2", filters).render(c=comparison).rstrip() + "\n"


def to_text(comparison: Comparison, flips: int = 20) -> str:
    """The comparison for a terminal of 80 columns; so many flips at most, the others are counted."""
    c = comparison
    parts = [f"A {line_cut(c.a, 76)}", f"B {line_cut(c.b, 76)}", "", line_cut(c.provenance.verdict, 400)]
    parts += [f"  {line_cut(f'{one.key}: {one.a} → {one.b}', _WIDTH - 2)}" for one in c.provenance.changes]
    if c.scores:
        head = ("score", "pairs", "A", "B", "B − A", "95 %", "+", "−", "p")
        rows = [
            (
                *(row.domain, f"{row.pairs}", f"{row.passed_a}", f"{row.passed_b}", points(row.difference)),
                *(points_interval(row.interval), f"{row.gained}", f"{row.lost}", p_value(row.p_value)),
            )
            for row in c.scores
        ]
        parts += ["", *columns([head, *rows])]
        parts += [f"evaluated by one side only: {c.only_a} by A, {c.only_b} by B"] if c.only_a or c.only_b else []
    else:
        parts += ["", "no unit was evaluated by both"]
    if c.flips:
        parts += ["", "flips (+ passed in B only, − in A only)"]
        shown = c.flips[:flips]
        parts += [
            line_cut(f"  {'+' if one.reward_b > one.reward_a else '−'} {one.domain}/{one.task_id}#{one.trial}", _WIDTH)
            for one in shown
        ]
        parts += [f"  and {len(c.flips) - len(shown)} more"] if len(c.flips) > len(shown) else []
    for series, shifts in c.latencies.items():
        parts += ["", *_shift_lines(line_cut(f"{series}, ms", 30), shifts)]
    for title, shifts in (("throughput", c.throughput), ("errors per call", c.errors), ("cost", c.costs)):
        if shifts:
            parts += ["", *_shift_lines(title, shifts)]
    return "\n".join(parts)


def points(share: float | None) -> str:
    """A difference of shares, in percentage points."""
    return "–" if share is None else f"{share * 100:+.1f}"


def points_interval(found: Interval | None) -> str:
    return "–" if found is None else f"{found[0] * 100:+.1f} … {found[1] * 100:+.1f}"


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def figure(value: float | None) -> str:
    """A figure with as many decimals as it needs."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.4g}"


def signed(value: float | None) -> str:
    return "–" if value is None else f"+{figure(value)}" if value > 0 else figure(value)


def interval(found: Interval | None) -> str:
    return "–" if found is None else f"{signed(found[0])} … {signed(found[1])}"


def _shift_lines(title: str, shifts: Iterable[Shift]) -> list[str]:
    rows = [
        (
            f"  {line_cut(shift.name, 28)}",
            *(figure(shift.a), figure(shift.b), signed(shift.difference)),
            interval(shift.interval) + (" *" if shift.certain else "  ") if shift.interval else "",
        )
        for shift in shifts
    ]
    return columns([(title, "A", "B", "B − A", "95 %  " if any(row[-1] for row in rows) else ""), *rows])
