"""The same line in two logs is one record: `fullrun.log` holds copies of what `tau2_<domain>.log` says."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tau2tui.analysis.frames import DRIVER, ERRORS, EVENTS, SKIPPED, TASKS, Logs, Records, Skipped

EXAMPLES = 5


def merge(files: Sequence[tuple[str, Records]], error_names: tuple[str, ...]) -> Logs:
    """Join the records of several files, each with the domain in its name (or ""), and count copies once."""
    # Where a copy has to go it is the one in the log of no particular domain: the other knows its domain.
    files = sorted(files, key=lambda file: file[0] == "")
    skipped = without_copies([(domain, records.skipped) for domain, records in files], SKIPPED)
    kinds = dict(skipped["kind"].value_counts().iter_rows())
    return Logs(
        events=without_copies([(domain, records.events) for domain, records in files], EVENTS),
        tasks=without_copies([(domain, records.tasks) for domain, records in files], TASKS),
        driver=without_copies([(domain, records.driver) for domain, records in files], DRIVER),
        errors=without_copies([(domain, records.errors) for domain, records in files], ERRORS),
        skipped=Skipped(
            profile_lines=kinds.get("profile", 0),
            markers=kinds.get("marker", 0),
            unfinished=kinds.get("unfinished", 0),
            examples=tuple(skipped["text"].head(EXAMPLES)),
            archives=kinds.get("archive", 0),
        ),
        error_names=error_names,
    )


def without_copies(files: Sequence[tuple[str, pl.DataFrame]], schema: pl.Schema) -> pl.DataFrame:
    """The union of multisets: a record is there as often as in the file that holds it most often.

    So two identical lines of one file stay two, and a line with its copy in another file is one. Lines that carry no
    time of their own can be identical in the logs of two domains without being copies: there the domains are added up,
    and only then compared with the logs of no particular domain.
    """
    files = [(domain, frame) for domain, frame in files if frame.height]
    if len(files) < 2:
        return files[0][1].select(schema.names()) if files else schema.to_frame()
    rows = pl.concat(
        [
            frame.with_columns(nth=_nth("record"), group=pl.when("timed").then(pl.lit("")).otherwise(pl.lit(domain)))
            for domain, frame in files
        ]
    ).unique(["record", "group", "nth"], keep="first", maintain_order=True)
    of_a_domain = pl.col("group") != ""
    rows = rows.with_columns(nth=_nth("record", of_a_domain)).unique(["record", "nth"], maintain_order=True)
    return rows.select(schema.names())


def _nth(*same: str | pl.Expr) -> pl.Expr:
    """0, 1, 2 … through the rows that are alike."""
    return pl.int_range(pl.len(), dtype=pl.UInt32).over(*same)
