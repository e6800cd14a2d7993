"""Following a log that grows: what a look costs, at a little and at a long history, against reading it all again."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tau2tui.analysis.frames import Logs
from tau2tui.analysis.scan import read_logs
from tau2tui.analysis.tail import LogTail
from tests.bench.parse import make_sample

T = TypeVar("T")

HEAD = """\
| appended | history | poll ms | and its frames ms | reading all again ms | ratio | poll against that at 1 MiB |
|--:|--:|--:|--:|--:|--:|--:|"""
_LITTLE_MIB = 1.0
_APPENDED = {"nothing": 0, "1 KB": 1_000, "1 MB": 1_000_000, "100 MB": 100_000_000}
_TIMES = {"nothing": 300, "1 KB": 40, "1 MB": 7, "100 MB": 1}
_FRAMES = ("events", "tasks", "driver", "errors")


@dataclass(slots=True)
class _Followed:
    """A log, who follows it, and what that took in seconds by what was appended."""

    path: Path
    mib: float
    tail: LogTail
    polls: dict[str, list[float]]
    looks: dict[str, list[float]]


def measure(directory: Path, mib: float, rounds: int) -> Iterator[str]:
    """Rows of results; after each round the frames are those of reading everything at once."""
    source = make_sample(directory / "tau2_source.log", 110).path.read_bytes()
    logs = [_follow(directory, _LITTLE_MIB), _follow(directory, mib)]
    for _ in range(rounds):
        for name, size in _APPENDED.items():
            new = source[: source.rfind(b"\n", 0, size) + 1]
            for _ in range(_TIMES[name]):
                for log in logs:
                    _append_and_look(log, name, new)
    for log in logs:
        seen = log.tail.poll()
        assert seen is None
    again_s = [_again(log) for log in logs]
    for name in _APPENDED:
        at_little = statistics.median(logs[0].polls[name])
        for log, again in zip(logs, again_s, strict=True):
            poll, look = statistics.median(log.polls[name]), statistics.median(log.looks[name])
            yield (
                f"| {name} | {log.mib:.0f} MiB | {1000 * poll:.3f} | {1000 * look:.2f} | {1000 * again:.0f} | "
                f"**{min(again / (poll + look), 9999):.0f}×** | {poll / at_little:.1f}× |"
            )


def _follow(directory: Path, mib: float) -> _Followed:
    home = directory / f"{mib:.0f}"
    home.mkdir()
    path = make_sample(home / "tau2_retail.log", mib).path
    if mib < 8:  # a sample is of whole blocks
        content = path.read_bytes()[: int(mib * 2**20)]
        path.write_bytes(content[: content.rfind(b"\n") + 1])
    tail = LogTail([path])
    _see(tail.poll())
    return _Followed(path, mib, tail, {name: [] for name in _APPENDED}, {name: [] for name in _APPENDED})


def _append_and_look(log: _Followed, name: str, new: bytes) -> None:
    with log.path.open("ab") as file:
        file.write(new)
    poll_s, seen = _timed(log.tail.poll)
    assert (seen is None) == (not new)
    log.polls[name].append(poll_s)
    log.looks[name].append(_timed(lambda: _see(seen))[0])


def _again(log: _Followed) -> float:
    """Seconds to read everything; it says what the follower says."""
    took_s, logs = _timed(lambda: read_logs([log.path]))
    with log.path.open("ab") as file:
        file.write(b"\n")
    seen = log.tail.poll()
    assert seen is not None
    for frame in _FRAMES:
        assert getattr(seen, frame).equals(getattr(logs, frame))
    return took_s


def _see(logs: Logs | None) -> int:
    return sum(getattr(logs, frame).height for frame in _FRAMES) if logs is not None else 0


def _timed(act: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    found = act()
    return time.perf_counter() - began, found
