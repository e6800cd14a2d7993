"""The frames as files that other programs read."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from tau2tui.analysis.measures import add_series, latency_table
from tau2tui.analysis.outcomes import add_trial
from tau2tui.analysis.run_files import Side
from tau2tui.analysis.wall_time import critical_paths
from tau2tui.files import write_atomically


def write_frames(
    side: Side, failures: pl.DataFrame, out: Path, sla_ms: float, *, csv: bool = False
) -> tuple[Path, ...]:
    """Write every frame that is not empty into `out`, as Parquet, and with `csv` as CSV too.

    `failures`: the errors as `error_budget` finds them. Raises OSError.
    """
    events = add_trial(add_series(side.logs.events), side.files.outcomes)
    frames = {
        "events": events,
        "tasks": side.logs.tasks,
        "driver": side.logs.driver,
        "errors": failures,
        "outcomes": side.files.outcomes,
        "metrics": side.files.samples,
        "critical_paths": critical_paths(events),
        "latencies": latency_table(events, sla_ms),
    }
    written = []
    for name, frame in frames.items():
        if frame.is_empty():
            continue
        out.mkdir(parents=True, exist_ok=True)
        kinds = (("parquet", _parquet), ("csv", _csv)) if csv else (("parquet", _parquet),)
        for ending, encoded in kinds:
            written.append(out / f"{name}.{ending}")
            write_atomically(written[-1], encoded(frame))
    return tuple(written)


def _parquet(frame: pl.DataFrame) -> bytes:
    data = io.BytesIO()
    frame.write_parquet(data)
    return data.getvalue()


def _csv(frame: pl.DataFrame) -> bytes:
    return frame.write_csv().encode("utf-8", "replace")
