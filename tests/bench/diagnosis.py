"""A large log searched for failures, against one compiled alternation of the same texts, interleaved."""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Callable
from pathlib import Path

from tau2tui.core.diagnosis import table
from tau2tui.remote.diagnosis import STRETCH_BYTES, diagnose_paths

HEAD = """\
| log | one alternation MB/s | ours MB/s | ratio | found | memory added |
|--:|--:|--:|--:|---|--:|"""
_LINES = (
    b"(APIServer pid=1) INFO 12-24 05:10:05 [loggers.py:248] Engine 000: Avg prompt throughput: 1210.4 tokens/s, "
    b"Avg generation throughput: 331.0 tokens/s, Running: 10 reqs, Waiting: 0 reqs, GPU KV cache usage: 41.3%, Prefix "
    b"cache hit rate: 61.2%\n"
    + b'(APIServer pid=1) INFO:     10.0.0.9:51922 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n'
    * 30
)
_FAILURE = b"(EngineCore_DP0 pid=2) ERROR 12-24 05:10:59 [core.py:843] torch.OutOfMemoryError: CUDA out of memory\n"


def make_log(path: Path, mib: float) -> Path:
    """The log of a server that was well until its last line."""
    block = _LINES * max(1, (1 << 20) // len(_LINES))
    with path.open("wb") as file:
        for _ in range(round(mib * 2**20 / len(block))):
            file.write(block)
        file.write(_FAILURE)
    return path


def compare(log: Path, rounds: int) -> str:
    """One row: the faster of each way's rounds counts. Raises AssertionError if the failure is not what is found."""
    before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    simple_s, ours_s = [], []
    for _ in range(rounds):
        simple_s.append(_timed(lambda: _alternation(log)))
        ours_s.append(_timed(lambda: _ours(log)))
    added_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mib
    size_mb = log.stat().st_size / 1e6
    simple, ours = size_mb / min(simple_s), size_mb / min(ours_s)
    return (
        f"| {size_mb:.0f} MB | {simple:.1f} | {ours:.1f} | {ours / simple:.1f} | its last line | {added_mib:.0f} MiB |"
    )


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _ours(log: Path) -> None:
    (finding,) = diagnose_paths([str(log)], table()).findings
    assert finding.id == "cuda-out-of-memory", finding


def _alternation(log: Path) -> None:
    """The lines that hold a text, by one regular expression of all of them."""
    texts = {text for each in table().signatures for text in (*each.config.contains, *each.config.core)}
    search = re.compile(b"|".join(re.escape(text.encode()) for text in sorted(texts))).finditer
    with log.open("rb") as file:
        found = 0
        while data := file.read(STRETCH_BYTES):
            found += sum(1 for _ in search(data))
    assert found
