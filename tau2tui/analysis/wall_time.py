"""Where the time of a task went, and which tasks held the run up."""

from __future__ import annotations

import polars as pl

PARTS = {
    "agent": "llm_call",
    "expert": "expert_call",
    "tool": "tool_call",
    "user": "user_sim",
    "evaluator": "evaluator",
}
"""Part of a task's critical path → the events that make it up."""
SHARES = (*PARTS, "waiting")

CRITICAL_PATHS = pl.Schema(
    {
        "domain": pl.String(),
        "task_id": pl.String(),
        "trial": pl.Int64(),
        "begin": pl.Datetime("ms"),
        "wall_s": pl.Float64(),
        **dict.fromkeys((f"{part}_s" for part in SHARES), pl.Float64()),
        "steps": pl.Int64(),
    }
)
"""One row for each conversation: its wall time in seconds, and the parts that it is the sum of."""


def critical_paths(events: pl.DataFrame) -> pl.DataFrame:
    """The critical path of every task, longest first.

    A conversation is a chain: agent, expert, tool and user simulator take turns, and none works while another does. So
    its wall time (from the beginning of its first call to the end of its last event) is the sum of its calls and of
    what lies between them: `waiting` for a slot of the driver or of a replica, between attempts, for a processor. Where
    calls do overlap, waiting is 0. Events without a time are left out. `trial` is taken from the column of that name
    (`outcomes.add_trial`); without it, all trials of a task are one conversation.
    """
    if "trial" not in events.columns:
        events = events.with_columns(trial=pl.lit(None, dtype=pl.Int64))
    timed = (
        events.lazy()
        .filter(pl.col("at").is_not_null())
        .select(
            pl.col("domain", "task_id").cast(pl.String),
            *("trial", "type", "step", "at", "duration_ms"),
            begin=pl.col("at") - pl.duration(microseconds=pl.col("duration_ms") * 1000),
        )
    )
    duration_s = pl.col("duration_ms") / 1000
    table = timed.group_by("domain", "task_id", "trial").agg(
        pl.col("begin").min(),
        ((pl.col("at").max() - pl.col("begin").min()).dt.total_microseconds() / 1e6).alias("wall_s"),
        *(duration_s.filter(pl.col("type") == kind).sum().alias(f"{part}_s") for part, kind in PARTS.items()),
        pl.col("step").n_unique().alias("steps"),
    )
    busy = pl.sum_horizontal(f"{part}_s" for part in PARTS)
    waiting = pl.max_horizontal(pl.col("wall_s") - busy, pl.lit(0.0)).alias("waiting_s")
    table = table.with_columns(waiting).sort("wall_s", "domain", "task_id", descending=[True, False, False])
    return table.select(CRITICAL_PATHS.names()).collect().cast(CRITICAL_PATHS)


def wall_shares(paths: pl.DataFrame, by_domain: bool = False) -> pl.DataFrame:
    """Where the run's conversations spent their time: seconds and shares (0–1) of each part, all or for each domain.

    The shares are those of the conversations' summed wall time, not of the run's, in which many go on side by side.
    """
    parts = [
        paths.group_by("domain" if by_domain else pl.lit("all").alias("domain")).agg(
            pl.lit(part).alias("part"), pl.col(f"{part}_s").sum().alias("seconds")
        )
        for part in SHARES
    ]
    whole = pl.col("seconds").sum().over("domain")
    return (
        pl.concat(parts)
        .with_columns(share=pl.when(whole > 0).then(pl.col("seconds") / whole))
        .sort("domain", "seconds", descending=[False, True])
    )


def stragglers(paths: pl.DataFrame) -> pl.DataFrame:
    """The tasks that took longer than Tukey's upper fence of their domain, Q3 + 1.5 · (Q3 − Q1), longest first.

    J. W. Tukey, "Exploratory Data Analysis" (1977), §2D. With the columns `fence_s` and `longest`, the part that took
    most of the time.
    """
    low, high = (pl.col("wall_s").quantile(share, "linear").over("domain") for share in (0.25, 0.75))
    seconds = [f"{part}_s" for part in SHARES]
    longest = pl.concat_list(seconds).list.arg_max().replace_strict(dict(enumerate(SHARES)), return_dtype=pl.String)
    return (
        paths.with_columns(fence_s=high + 1.5 * (high - low))
        .filter(pl.col("wall_s") > pl.col("fence_s"))
        .with_columns(longest=longest)
    )
