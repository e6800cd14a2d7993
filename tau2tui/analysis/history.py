"""What the node agents sampled of each server, as frames: gaps stay gaps.

A row of metrics/<replica>.jsonl is `{"t": Unix seconds, "v": [numbers of ROW], "T": [bucket, observations,
bucket, observations …] of the time to the first token, "E": the same end to end, "Q": [sum, count] of the time in the
queue, "I": [sum, count] of the time between tokens}`, all since the row before; or `{"t", "e": error}` for a scrape
that failed. The first row of a file, and one in some hundred after it, has in `b` the bounds of the buckets of T and E,
by which they are numbered. Agents before that wrote `{"at", "running", …}` with a counter of tokens; they are read too.

A day of a large fleet is some hundred thousand rows with a million observations: whoever can, takes one replica after
the other (`histories`), and only the stretch that is wanted, which is found in a file without reading what is before.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from tau2tui.analysis.sample_files import files_of, newest_bounds, piece, times

ROW = (
    *("attempt", "running", "waiting", "kv_cache", "seconds", "generation_tokens", "prompt_tokens", "finished"),
    *("preemptions", "prefix_queries", "prefix_hits", "http", "failed"),
)
"""The numbers of a row as the node agent writes them; it stands alone, and a test holds the two together."""
_PAIRS = {"Q": ("queue_sum_s", "queue_count"), "I": ("itl_sum_s", "itl_count")}
_FIGURES = (*ROW[1:], *_PAIRS["Q"], *_PAIRS["I"])
_OLD = ("running", "waiting", "kv_cache", "generation_tokens")

SAMPLES = pl.Schema(
    {
        "at": pl.Datetime("ms"),
        "replica": pl.String(),
        "attempt": pl.Int64(),
        **dict.fromkeys(_FIGURES, pl.Float64()),
        "error": pl.String(),
    }
)
"""One row for each sample; null where a server did not report. `running`, `waiting`, `kv_cache` are of that moment, the
rest is what happened in the `seconds` since the sample before. Local times, as in the logs."""

OBSERVATIONS = pl.Schema(
    {
        "at": pl.Datetime("ms"),
        "replica": pl.String(),
        "quantity": pl.Enum(["ttft", "e2e"]),
        "low": pl.Float64(),
        "bound": pl.Float64(),
        "count": pl.Float64(),
    }
)
"""Observations since the sample before, by the bounds of their bucket in seconds."""

LONGEST_GAP_S = 45.0
"""Between two samples of a server that is scraped every 10 s; with more, some are missing."""

_NUMBERS = pl.List(pl.Float64())
_KINDS: dict[str, pl.DataType] = {
    **dict.fromkeys(("t", "at", *_OLD), pl.Float64()),
    **dict.fromkeys("vTEQI", _NUMBERS),
    **dict.fromkeys(("e", "error"), pl.String()),
    "b": pl.Struct({"T": _NUMBERS, "E": _NUMBERS}),
}
_LINES = pl.Schema(_KINDS)
_UNIX_S = pl.col("t").is_between(0, 2**32)


@dataclass(frozen=True, slots=True)
class History:
    """Samples of some replicas over a stretch of time."""

    samples: pl.DataFrame
    observations: pl.DataFrame


def span(directory: Path, replicas: Collection[str] | None = None) -> tuple[datetime, datetime] | None:
    """The times of the first and the last sample of these replicas, or of all; None if there is none."""
    known = [at for paths in files_of(directory, replicas).values() for path in paths for at in times(path)]
    return (_local(min(known)), _local(max(known))) if known else None


def read_history(
    directory: Path,
    *,
    replicas: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    observed: bool = True,
) -> History:
    """All that was sampled of these replicas, or of all, between two times; torn lines are left out.

    Without `observed` there are no observations, which are most of it.
    """
    parts = list(histories(directory, replicas=replicas, since=since, until=until, observed=observed))
    return History(
        pl.concat([SAMPLES.to_frame(), *(part.samples for part in parts)]),
        pl.concat([OBSERVATIONS.to_frame(), *(part.observations for part in parts)]),
    )


def histories(
    directory: Path,
    *,
    replicas: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    observed: bool = True,
) -> Iterator[History]:
    """The same, one replica after the other: no more than one of them is in memory."""
    for replica, paths in files_of(directory, replicas).items():
        lines = _lines(paths, since, until)
        if not lines.is_empty():
            yield _history(replica, lines, since, until, observed=observed)


def _lines(paths: tuple[Path, ...], since: datetime | None, until: datetime | None) -> pl.DataFrame:
    """The lines of a replica's files in their order, as `_LINES`; a little more than from `since` to `until`."""
    # Rows of older agents are compared with the row before.
    begin_s = (since - timedelta(seconds=2 * LONGEST_GAP_S)).timestamp() if since else None
    end_s = until.timestamp() if until else None
    parts = [_LINES.to_frame()]
    for path in paths:
        text, offset = piece(path, begin_s, end_s)
        if text:
            parts.append(_parsed(newest_bounds(path, offset) + text))
    return pl.concat(parts)


def _parsed(text: bytes) -> pl.DataFrame:
    """Values of a wrong type are null. Lines that are no JSON are left out, at the price of a slower look at each."""
    try:
        return pl.read_ndjson(io.BytesIO(text), schema=_LINES, ignore_errors=True)
    except pl.exceptions.ComputeError:
        whole = b"\n".join(line for line in text.splitlines() if _is_json(line))
        return pl.read_ndjson(io.BytesIO(whole), schema=_LINES, ignore_errors=True) if whole else _LINES.to_frame()


def _is_json(line: bytes) -> bool:
    """As far as the reader of frames is concerned, which knows no NaN."""
    try:
        return not pl.read_ndjson(io.BytesIO(line), schema=_LINES, ignore_errors=True).is_empty()
    except pl.exceptions.ComputeError:
        return False


def _history(
    replica: str, lines: pl.DataFrame, since: datetime | None, until: datetime | None, *, observed: bool
) -> History:
    old = lines.filter(pl.col("t").is_null() & pl.col("at").is_between(0, 2**32))
    new = lines.filter(_UNIX_S).with_columns(
        b_T=pl.col("b").struct.field("T"), b_E=pl.col("b").struct.field("E"), at=_times(lines.filter(_UNIX_S)["t"])
    )
    samples = pl.concat([_rows(replica, new), _old_rows(replica, old)]).sort("at", maintain_order=True)
    counted = [_observations(replica, new, letter, quantity) for letter, quantity in (("T", "ttft"), ("E", "e2e"))]
    observations = pl.concat(counted) if observed else OBSERVATIONS.to_frame()
    wanted = pl.lit(value=True)
    if since is not None:
        wanted &= pl.col("at") >= since
    if until is not None:
        wanted &= pl.col("at") <= until
    return History(samples.filter(wanted), observations.filter(wanted))


def _rows(replica: str, lines: pl.DataFrame) -> pl.DataFrame:
    figures = {name: pl.col("v").list.get(place, null_on_oob=True) for place, name in enumerate(ROW)}
    pairs = {
        name: pl.col(letter).list.get(place, null_on_oob=True)
        for letter, names in _PAIRS.items()
        for place, name in enumerate(names)
    }
    attempt = figures.pop("attempt").cast(pl.Int64, strict=False)
    return _samples(lines, replica, {**figures, **pairs}, attempt=attempt, error=pl.col("e"))


def _old_rows(replica: str, lines: pl.DataFrame) -> pl.DataFrame:
    """Rows of an older agent; its tokens are a counter, which begins anew with the server."""
    now, then = pl.col("generation_tokens"), pl.col("generation_tokens").shift(1)
    grown = pl.when(now >= then).then(now - then).otherwise(pl.when(then.is_not_null()).then(now))
    figures = {name: pl.col(name) for name in ("running", "waiting", "kv_cache")} | {
        "seconds": pl.when(grown.is_not_null()).then(pl.col("at").diff()),
        "generation_tokens": grown,
    }
    told = lines.select(
        *(figure.alias(name) for name, figure in figures.items()), error=pl.col("error"), at=_times(lines["at"])
    )
    return _samples(told, replica, {name: pl.col(name) for name in figures}, error=pl.col("error"))


def _samples(
    lines: pl.DataFrame, replica: str, figures: dict[str, pl.Expr], *, error: pl.Expr, attempt: pl.Expr | None = None
) -> pl.DataFrame:
    columns = {
        "at": pl.col("at"),
        "replica": pl.lit(replica),
        "attempt": pl.lit(None) if attempt is None else attempt,
        "error": error,
        **figures,
    }
    return lines.select(columns.get(name, pl.lit(None)).cast(kind).alias(name) for name, kind in SAMPLES.items())


def _observations(replica: str, lines: pl.DataFrame, letter: str, quantity: str) -> pl.DataFrame:
    """The observations of each row; none of a bucket whose bounds were not told before."""
    told = pl.col(f"b_{letter}").is_not_null()
    # Which bounds apply is a number, by which a bucket finds its own two: they are not copied to each observation.
    numbered = lines.select(pl.col("at"), pl.col(letter), pl.col(f"b_{letter}"), version=told.cum_sum())
    bounds = (
        numbered.filter(told & (pl.col(f"b_{letter}").list.len() > 0))
        .select("version", bound=pl.col(f"b_{letter}").list.sort().list.concat(pl.lit(float("inf"))))
        .explode("bound", empty_as_null=True, keep_nulls=True)
        .with_columns(
            low=pl.col("bound").shift(1).over("version").fill_null(0.0),
            place=pl.int_range(pl.len()).over("version").cast(pl.Float64),
        )
    )
    counts = pl.col(letter).list.gather_every(2, 1)
    places = pl.col(letter).list.gather_every(2).list.head(counts.list.len())
    return (
        numbered.filter(pl.col(letter).list.len() > 1)
        .select("at", "version", place=places, count=counts)
        .explode("place", "count", empty_as_null=True, keep_nulls=True)
        .drop_nulls()
        .join(bounds, on=["version", "place"], how="inner", maintain_order="left")
        .with_columns(replica=pl.lit(replica), quantity=pl.lit(quantity, dtype=OBSERVATIONS["quantity"]))
        .select(OBSERVATIONS.names())
    )


def _times(seconds: pl.Series) -> pl.Series:
    """Unix seconds as local times."""
    return pl.Series("at", [_local(each) for each in seconds], dtype=SAMPLES["at"])


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds)
