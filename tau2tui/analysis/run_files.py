"""What a run directory on this machine says beside its logs; whatever is missing or unreadable is simply not known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
import tomli

from tau2tui.analysis.experts import Price, call_costs
from tau2tui.analysis.frames import Logs
from tau2tui.analysis.history import SAMPLES, read_history
from tau2tui.analysis.outcomes import OUTCOMES, read_outcomes
from tau2tui.analysis.scan import find_logs
from tau2tui.core import layout, wire
from tau2tui.core.layout import RESULTS, RunLayout
from tau2tui.core.model import EvalProgress, Phase, Replica
from tau2tui.errors import ConfigError

if TYPE_CHECKING:
    from tau2tui.config import Config

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong, or that somebody did about it. `at`: Unix seconds."""

    at: float
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """One run, or one heap of logs; the fields that it does not have are empty."""

    name: str
    logs: tuple[Path, ...]
    tables: Mapping[str, Any] = field(default_factory=dict)
    """`run.toml` as it stands, `[submitted]` included."""
    config: Config | None = None
    progress: EvalProgress | None = None
    replicas: tuple[Replica, ...] = ()
    outcomes: pl.DataFrame = field(default_factory=OUTCOMES.to_frame)
    samples: pl.DataFrame = field(default_factory=SAMPLES.to_frame)
    incidents: tuple[Incident, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def gpu_hours(self) -> float | None:
        """GPUs times the hours for which each replica's newest attempt has run; None if no replica says so.

        Earlier attempts and the time in which a job only waited are not in it: it is the least that was used.
        """
        seconds = [len(replica.gpus) * lived for replica in self.replicas if (lived := _lived_s(replica)) is not None]
        return sum(seconds) / 3600 if seconds else None


@dataclass(frozen=True, slots=True)
class Side:
    """One run, or one heap of logs, and what its logs say."""

    files: RunFiles
    logs: Logs


def read_run(path: Path, *, outcomes: bool = True) -> RunFiles:
    """All that a run directory, a directory of logs or a log file holds; `outcomes` may be left out.

    Raises NothingToRead where there is no log.
    """
    tables = _tables(path / layout.RUN_CONFIG)
    named = tables.get("run") if isinstance(tables.get("run"), dict) else {}
    names = RunLayout(str((named or {}).get("logs", "logs")), str((named or {}).get("outputs", "outputs")))
    inside = path / names.logs
    logs = find_logs([inside if tables and inside.is_dir() else path])
    replicas = tuple(_each(sorted((path / layout.REPLICAS).glob("*.json")), wire.replica_from))
    progress = next(_each([path / layout.EVAL_STATE], wire.progress_from), None)
    return RunFiles(
        name=path.resolve().name,
        logs=logs,
        tables=tables,
        config=_config(tables, path) if tables else None,
        progress=progress,
        replicas=replicas,
        outcomes=read_outcomes(path, names.outputs, logs) if outcomes else OUTCOMES.to_frame(),
        samples=read_history(path / layout.METRICS, observed=False).samples,
        incidents=tuple(sorted((*_activity(path), *_failures(replicas)), key=lambda what: what.at)),
        versions=_versions(path / names.outputs, tables),
    )


def _config(tables: dict[str, Any], path: Path) -> Config | None:
    """The configuration of a run; None if it is of another version: its tables can still be compared."""
    from tau2tui.config import submitted  # its models take a tenth of a second, which logs alone do not need

    try:
        return submitted(tables, str(path))
    except ConfigError:
        return None


def prices_of(config: Config | None) -> dict[str, Price]:
    """The price table of a configuration, by the model's name; models that cost nothing are not in it."""
    if config is None:
        return {}
    user = config.evaluation.user
    table = {user.model: Price(user.price_in, user.price_out)} if not config.user else {}
    for expert in config.experts.values():
        table |= dict.fromkeys(
            filter(None, (expert.model, expert.checkpoint)), Price(expert.price_in, expert.price_out)
        )
    table |= {name: Price(price.price_in, price.price_out) for name, price in config.prices.models.items()}
    return {name: price for name, price in table.items() if price.input or price.output}


def costs_of(side: Side) -> dict[str, float]:
    """US dollars by series: the driver's own count, or without it what the logs' tokens cost by the price table."""
    if side.files.progress and side.files.progress.cost_usd:
        return dict(side.files.progress.cost_usd)
    table = call_costs(side.logs.events, prices_of(side.files.config))
    return dict(table.filter(pl.col("usd").is_not_null()).select("series", "usd").iter_rows())


def _lived_s(replica: Replica) -> float | None:
    begun = replica.started_at or (replica.phases[0][1] if replica.phases else None)
    over = replica.phase in (Phase.STOPPED, Phase.FAILED) and replica.phase_since
    return None if begun is None else max((over or replica.heartbeat_at) - begun, 0.0)


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError):
        return {}


def _each(paths: list[Path], read: Any) -> Iterator[Any]:
    for path in paths:
        try:
            yield read(json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, the torn ones left out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("at"), (int, float)):
            yield entry


def _activity(run: Path) -> Iterator[Incident]:
    """Steps that failed, and what was asked of a running fleet; not the writing and waiting of a launch."""
    files = (run / layout.ACTIVITY_BEFORE, *sorted((run / layout.ACTIVITY).glob("*.jsonl")))
    for entry in chain.from_iterable(map(_lines, files)):
        did, error = str(entry.get("did", "")), str(entry.get("error") or "")
        if error or did.startswith(("request ", "on ")):
            yield Incident(float(entry["at"]), f"{entry.get('by', '?')}: {did}", error)


def _failures(replicas: tuple[Replica, ...]) -> Iterator[Incident]:
    for replica in replicas:
        why = replica.last_error or replica.why
        if replica.phase is Phase.FAILED or replica.failure:
            yield Incident(
                replica.phase_since or replica.heartbeat_at, f"{replica.name} failed ({replica.failure})", why
            )
        elif replica.attempt > 1:
            at = replica.started_at or replica.heartbeat_at
            yield Incident(at, f"{replica.name}: attempt {replica.attempt} began", replica.last_error)


def _versions(outputs: Path, tables: Mapping[str, Any]) -> dict[str, str]:
    """Who made the results: from the head of a results file, which may be large."""
    said = tables.get("submitted")
    found = {"tau2tui": str(said["tau2tui"])} if isinstance(said, dict) and "tau2tui" in said else {}
    for path in sorted(outputs.glob(f"*/{RESULTS}")):
        try:
            commit = json.loads(path.read_bytes())["info"]["git_commit"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return {**found, "tau2": str(commit)}
    return found
