"""The watch over the terminal, on real pseudo-terminals; tests/faults has it with the real screen."""

from __future__ import annotations

import os
import pty
import signal
from threading import Event

from tau2tui.tui.hang_up import end_with_terminal


def test_it_waits_for_the_end_of_a_terminal_and_for_no_key() -> None:
    own, programs = pty.openpty()
    ended, status = Event(), list[int]()

    def end(said: int) -> None:
        status.append(said)
        ended.set()

    assert end_with_terminal(end, programs)
    os.write(own, b"q")
    assert not ended.wait(0.05)
    os.close(own)
    assert ended.wait(30) and status == [128 + signal.SIGHUP]
    os.close(programs)


def test_what_is_no_terminal_is_not_watched() -> None:
    reading, writing = os.pipe()
    assert not end_with_terminal(fd=reading)
    os.close(reading)
    os.close(writing)


def test_who_handles_hang_ups_is_left_to_do_so() -> None:
    own, programs = pty.openpty()
    ended = Event()
    before = signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        assert end_with_terminal(lambda _: ended.set(), programs)
        os.close(own)
        assert not ended.wait(0.2)
    finally:
        signal.signal(signal.SIGHUP, before)
        os.close(programs)
