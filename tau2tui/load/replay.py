"""The calls of a recorded run, from its profile lines: when they were sent and how long they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tau2tui.core.load.arrivals import RecordedCall
from tau2tui.errors import NothingToRead

if TYPE_CHECKING:
    import polars as pl


def choose_series(events: pl.DataFrame, wanted: str | None, model: str) -> str:
    """The series that is replayed: the one that is `wanted`, else the only one whose calls went to `model`.

    Series of tools and steps are none that a model answers. Raises NothingToRead, with the series that there are.
    """
    import polars as pl

    from tau2tui.analysis.measures import add_series

    calls = add_series(events).filter(pl.col("type").is_in(["llm_call", "expert_call", "user_sim", "evaluator"]))
    known = calls.select(pl.col("series"), pl.col("model").cast(pl.String)).unique().sort("series")
    names = known["series"].unique(maintain_order=True).to_list()
    there = f"there are: {', '.join(names)}" if names else "there are no profile lines of model calls"
    if wanted is not None:
        if wanted not in names:
            raise NothingToRead(f"no calls of the series {wanted!r}", there)
        return wanted
    of_model = known.filter(pl.col("model") == model)["series"].to_list()
    if len(of_model) != 1 and len(names) != 1:
        raise NothingToRead(
            f"which calls are to be replayed? {len(of_model)} series are of {model}", f"--series; {there}"
        )
    return str(of_model[0] if len(of_model) == 1 else names[0])


def recorded_calls(events: pl.DataFrame, series: str) -> tuple[RecordedCall, ...]:
    """The calls of a series that have a time, in the order of their starts.

    A profile line is written when its call has ended: it was sent `duration_ms` before.
    """
    import polars as pl

    from tau2tui.analysis.measures import add_series

    rows = (
        add_series(events)
        .filter((pl.col("series") == series) & pl.col("at").is_not_null())
        .select(
            (pl.col("at").dt.epoch("ms") - pl.col("duration_ms")).alias("started_ms"), "input_tokens", "output_tokens"
        )
        .sort("started_ms")
    )
    return tuple(RecordedCall(started_ms / 1000, given, made) for started_ms, given, made in rows.iter_rows())
