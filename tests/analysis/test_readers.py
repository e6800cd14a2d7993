"""A log that several processes read says what it says to one."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tau2tui.analysis import reader, readers, stretches
from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.readers import READERS, Readers, read_in_order
from tau2tui.analysis.scan import read_logs
from tau2tui.analysis.stretch import Stretch, StretchQuestion, read_stretch
from tau2tui.analysis.wanted import ALL, Wanted
from tau2tui.analysis.words import Buffer
from tau2tui.defaults import ERROR_PATTERNS
from tests.analysis.comparing import same
from tests.analysis.made_logs import LogMaker
from tests.processes import is_alive, loaded_by, wait_for

pytestmark = pytest.mark.slow

QUESTION = StretchQuestion("retail", ALL.columns, tuple(ERROR_PATTERNS.items()))
MUCH = 1 << 40


@contextmanager
def one_that_reads(part: bytes = b"nothing\n") -> Iterator[Readers]:
    """One reader, which has already read something."""
    pool = Readers(1)
    try:
        with pool.lent(MUCH) as (one,):
            asked = one.ask(part, QUESTION)
            assert asked is not None
            wait_for(lambda: asked.done, "an answer")
            found = asked.answer()
        assert found is not None and told(found) == told(read_here(part))
        yield pool
    finally:
        pool.end()


@pytest.fixture
def pool() -> Iterator[Readers]:
    with one_that_reads() as pool:
        yield pool


@pytest.fixture(scope="module")
def parts() -> list[bytes]:
    """Stretches of a log with everything in it."""
    maker = LogMaker(5)
    return [
        "".join(f"{maker.profile_line('retail')[0]}\n" for _ in range(40)).encode()
        + b"[TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=17 status=ok\nKeyError: caf\xe9\n\x00\n"
        for _ in range(40)
    ]


def read_here(data: Buffer) -> Stretch:
    return read_stretch(data, QUESTION, ErrorPatterns(ERROR_PATTERNS).rare_lines)


def told(stretch: Stretch) -> tuple[object, ...]:
    """A stretch in values that can be compared."""
    usual = stretch.profile.usual
    columns = {name: column.tolist() for name, column in sorted(usual.columns.items())}
    return (
        (
            stretch.length,
            stretch.end,
            stretch.markers,
            stretch.errors,
            stretch.profile.left,
            stretch.profile.left_begin,
        ),
        (usual.line.tolist(), usual.begin.tolist(), usual.judge.tolist(), str(columns), list(usual.texts)),
    )


class Here:
    """Reads in this process, and first waits until something has happened."""

    def __init__(self, happened: Callable[[], bool] = lambda: True) -> None:
        self.read = 0
        self._happened = happened

    def __call__(self, data: Buffer) -> Stretch:
        if not self.read:
            wait_for(self._happened, "the reader")
        self.read += 1
        return read_here(data)


def pid_of(pool: Readers) -> int:
    return pool._idle[0]._process.pid


def test_a_reader_takes_its_share_and_says_the_same(pool: Readers, parts: list[bytes]) -> None:
    expected = [told(read_here(part)) for part in parts]
    one = pool._idle[0]
    here = Here(lambda: one._asked[0].done)
    found = [told(part) for part in read_in_order(parts, MUCH, QUESTION, here, pool)]
    assert found == expected
    assert 0 < here.read < len(parts)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGALRM, signal.SIGSTOP], ids=lambda how: how.name)
def test_what_a_reader_does_not_do_is_done_here(
    pool: Readers, parts: list[bytes], how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_PATIENCE_MS", 50)
    pid = pid_of(pool)
    found = []
    for number, part in enumerate(read_in_order(parts, MUCH, QUESTION, Here(), pool)):
        found.append(told(part))
        if number == 3:
            os.kill(pid, how)
    assert found == [told(read_here(part)) for part in parts]


def test_an_older_c_library_has_no_files_in_memory(parts: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with one_that_reads(parts[0]):
        pass


def test_one_that_has_ended_is_replaced(pool: Readers, parts: list[bytes]) -> None:
    pid = pid_of(pool)
    os.kill(pid, signal.SIGALRM)  # as when it was not asked anything for long
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "its end")  # nor is it a zombie
    found = list(read_in_order(parts, MUCH, QUESTION, Here(), pool))
    assert len(found) == len(parts) and pid_of(pool) != pid


def test_the_interrupt_of_the_terminal_is_left_to_who_asked(pool: Readers, parts: list[bytes]) -> None:
    one = pool._idle[0]
    os.kill(pid_of(pool), signal.SIGINT)
    here = Here(lambda: one._asked[0].done)
    assert [told(part) for part in read_in_order(parts, MUCH, QUESTION, here, pool)] == [
        told(read_here(part)) for part in parts
    ]
    assert one.alive and here.read < len(parts)


def test_who_stops_looking_leaves_nothing_to_the_next_log(pool: Readers, parts: list[bytes]) -> None:
    for _ in range(3):
        reading = read_in_order(parts, MUCH, QUESTION, Here(), pool)
        assert len(list(islice(reading, 2))) == 2
        del reading
    backwards = parts[::-1]
    found = [told(part) for part in read_in_order(backwards, MUCH, QUESTION, Here(), pool)]
    assert found == [told(read_here(part)) for part in backwards]


def test_logs_that_are_read_at_the_same_time_do_not_share_a_reader(pool: Readers, parts: list[bytes]) -> None:
    expected = [told(read_here(part)) for part in parts]

    def read(_: int) -> bool:
        return [told(part) for part in read_in_order(parts, MUCH, QUESTION, read_here, pool)] == expected

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, range(8)))
    assert len(pool._idle) == 1


def test_without_a_further_process_one_reads_alone(parts: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", fail)
    here = Here()
    assert len(list(read_in_order(parts, MUCH, QUESTION, here, Readers(3)))) == len(parts) == here.read


def test_what_lies_where_the_user_stands_is_not_run(
    parts: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pickle.py").write_text("raise SystemExit")
    (tmp_path / "numpy.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with one_that_reads(parts[0]):
        pass


def test_little_is_read_without_starting_any(parts: list[bytes]) -> None:
    pool = Readers(3)
    assert len(list(read_in_order(parts, readers.WORTH_BYTES - 1, QUESTION, read_here, pool))) == len(parts)
    assert not pool._idle


def test_columns_for_which_there_is_no_room_come_all_the_same(pool: Readers) -> None:
    slot = pool._idle[0]._free[0]
    for size in (10, 10 << 20):
        columns = {"some": np.arange(size // 8), "none": np.zeros(0), "flags": np.ones(size // 8, np.bool_)}
        taken = slot.take(slot.put(columns))
        assert {name: column.tolist() for name, column in taken.items()} == {
            name: column.tolist() for name, column in columns.items()
        }


@pytest.mark.parametrize("wanted", [ALL, Wanted(("type", "duration_ms"), rare=False)], ids=["all", "a few columns"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_whole_logs_say_the_same(
    tmp_path: Path, wanted: Wanted, packed: bool, monkeypatch: pytest.MonkeyPatch, pool: Readers
) -> None:
    logs = LogMaker(29).write(tmp_path, 3000)
    if packed:
        logs = [path.with_suffix(".log.gz") for path in logs]
        for path in logs:
            path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    alone = read_logs(logs, wanted=wanted)
    events = list(alone.event_parts(("type", "duration_ms")))
    monkeypatch.setattr(stretches, "STRETCH", 40_000)
    monkeypatch.setattr(readers, "WORTH_BYTES", 0)
    monkeypatch.setattr(readers, "READERS", pool)
    together = read_logs(logs, wanted=wanted)
    assert_frame_equal(pl.concat(together.event_parts(("type", "duration_ms"))), pl.concat(events))
    if wanted is ALL:
        same(together, alone)


def test_a_reader_ends_with_the_process_that_started_it() -> None:
    code = """
import os, sys
from tau2tui.analysis.readers import Readers
with Readers(1).lent(1 << 40) as (one,):
    print(one._process.pid, flush=True)
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    wait_for(lambda: not is_alive(int(done.stdout)), "its end")


def test_a_reader_that_reads_no_rare_lines_loads_no_polars() -> None:
    assert loaded_by("import tau2tui.analysis.reader_process", ("polars", "numpy")) == {"numpy"}


def test_the_readers_of_this_process_are_as_many_as_its_cores_but_one() -> None:
    assert READERS._most == min(len(os.sched_getaffinity(0)), 4) - 1
