"""Lines reach the log whole and in order, and nobody waits for them, whatever the disk does."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tau2tui.evaluation.logwriter import Echo, LineFile, LogWriter

PATIENCE_S = 20.0


class Disk:
    """Keeps what is written; can be full, or not answer at all."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.full = False
        self.answers = threading.Event()
        self.answers.set()
        self.tried = threading.Event()
        self._rest = b""

    def write(self, data: bytes) -> None:
        self._rest += data
        self.tried.set()
        self.answers.wait(PATIENCE_S)
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.lines.append(self._rest)
        self._rest = b""


class Losses:
    """What was lost, as it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def __call__(self, lines: int, why: str) -> None:
        self.told.append((lines, why))


def test_lines_of_many_threads_are_never_torn_and_those_of_one_stay_in_order(tmp_path: Path) -> None:
    file, writer = LineFile(tmp_path / "x.log"), LogWriter(Losses())

    def write_many(letter: str) -> None:
        for number in range(50):
            writer.put(file, (letter * 5000 + f"{number:02d}\n").encode())

    threads = [threading.Thread(target=write_many, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.close()
    file.close()
    written = (tmp_path / "x.log").read_text().splitlines()
    assert len(written) == 200
    assert all(line[:-2] == line[0] * 5000 for line in written)
    for letter in "abcd":
        assert [line[-2:] for line in written if line[0] == letter] == [f"{number:02d}" for number in range(50)]


def test_nobody_waits_for_a_disk_that_does_not_answer(tmp_path: Path) -> None:
    disk, writer = Disk(), LogWriter(Losses())
    disk.answers.clear()
    for number in range(1000):
        writer.put(disk, b"%d\n" % number)
    assert not writer.flush(timeout_s=0.01)
    disk.answers.set()
    assert writer.flush(PATIENCE_S)
    assert disk.lines == [b"%d\n" % number for number in range(1000)]


def test_lines_wait_for_room_on_a_full_disk_and_what_is_too_many_is_counted() -> None:
    losses = Losses()
    disk, writer = Disk(), LogWriter(losses, most_waiting=3)
    disk.full = True
    writer.put(disk, b"0\n")
    assert disk.tried.wait(PATIENCE_S)
    for number in range(1, 10):
        writer.put(disk, b"%d\n" % number)
    disk.full = False
    assert writer.flush(PATIENCE_S)
    assert disk.lines == [b"0\n", b"1\n", b"2\n"]
    deadline = time.monotonic() + PATIENCE_S
    while not losses.told and time.monotonic() < deadline:
        time.sleep(0.01)
    assert losses.told == [(7, "No space left on device")]


def test_a_line_that_was_cut_by_a_full_disk_is_completed_when_there_is_room(tmp_path: Path) -> None:
    """`ulimit -f` lets the first write through in part, as a disk does whose last block is filled."""
    path = tmp_path / "x.log"
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from tau2tui.evaluation.logwriter import LineFile\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "file = LineFile(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "try:\n    file.write(b'a' * 1499 + b'\\n')\nexcept OSError as error:\n    print(error.errno)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "file.write(b'b\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(errno.EFBIG)
    assert path.read_text().splitlines() == ["a" * 1499, "b"]


def test_after_a_crash_in_the_middle_of_a_line_the_next_one_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("whole\nhal")
    for _ in range(2):
        file = LineFile(path)
        file.write(b"next\n")
        file.close()
    assert path.read_text() == "whole\nhal\nnext\nnext\n"


def test_a_kill_cuts_at_most_the_line_that_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tau2tui.evaluation.logwriter import LineFile, LogWriter\n"
        "file, writer = LineFile(Path(sys.argv[1])), LogWriter(print)\n"
        "while True:\n    writer.put(file, b'x' * 3000 + b'\\n'); writer.flush()\n"
    )
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", program, str(path)])
        size = path.stat().st_size if path.exists() else 0
        deadline = time.monotonic() + PATIENCE_S
        while (path.stat().st_size if path.exists() else 0) < size + 100_000 and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    LineFile(path).write(b"x" * 3000 + b"\n")
    written = path.read_text().splitlines()
    cut = [line for line in written if len(line) != 3000]
    assert set("".join(written)) == {"x"}
    assert len(cut) <= 5 and all(len(line) < 3000 for line in cut)
    assert len(written) > 100


def test_a_closed_log_takes_nothing_and_harms_no_other_file(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "x.log")
    file.close()
    with (tmp_path / "other").open("w"):
        file.write(b"late\n")
    assert (tmp_path / "other").read_text() == ""
    assert (tmp_path / "x.log").read_text() == ""
    disk, writer = Disk(), LogWriter(Losses())
    assert writer.close()
    writer.put(disk, b"late\n")
    assert disk.lines == []


def test_a_listener_that_goes_away_ends_nothing() -> None:
    reader, descriptor = os.pipe()
    echo = Echo(descriptor)
    echo.write(b"heard\n")
    assert os.read(reader, 100) == b"heard\n"
    os.close(reader)
    echo.write(b"unheard\n")
    os.close(descriptor)
    echo.write(b"still no error\n")


@pytest.mark.parametrize("content", ["", "line\n"])
def test_nothing_is_put_before_the_first_line_of_a_whole_log(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.log"
    path.write_text(content)
    file = LineFile(path)
    file.write(b"next\n")
    file.close()
    assert path.read_text() == content + "next\n"
