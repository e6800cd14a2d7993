"""The program of a process that reads stretches of logs for another one: what `reader` starts and talks to.

It loads as little as it can, because a log of a hundred megabytes is read by the time that everything would be loaded.
"""

from __future__ import annotations

import pickle
import signal
import sys
from functools import lru_cache
from mmap import mmap
from typing import BinaryIO

from tau2tui.analysis.shared_slots import LENGTH, Slot, State
from tau2tui.analysis.stretch import RareLines, read_stretch

_IDLE_S = 30
"""A reader that was asked nothing for so long ends."""


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks gets it too, and ends this process by ending
    with mmap(int(sys.argv[1]), 0) as memory:
        serve(memory, sys.stdin.buffer, sys.stdout.buffer)


def serve(memory: mmap, requests: BinaryIO, answers: BinaryIO) -> None:
    """Read the stretches that are asked for, in their order, until there are no more requests.

    A request is the number of a slot, how long the stretch in it is, and the question; an answer is what `Slot.put`
    says of the stretch, or None if the request was withdrawn before its turn.
    """
    while True:
        signal.alarm(_IDLE_S)  # which ends the process
        try:
            number, length, question = pickle.load(requests)  # noqa: S301 - from the process that started this one
        except EOFError:
            return
        finally:
            signal.alarm(0)
        slot, said = Slot(memory, number), None
        if slot.state == State.ASKED:
            slot.state = State.BEGUN
            said = slot.put(read_stretch(slot.stretch(length), question, _rare_lines(question.error_patterns)))
        answer = pickle.dumps(said)
        answers.write(len(answer).to_bytes(LENGTH, "little") + answer)
        answers.flush()
        slot.state = State.ANSWERED


@lru_cache(maxsize=8)
def _rare_lines(patterns: tuple[tuple[str, str], ...] | None) -> RareLines | None:
    if patterns is None:
        return None
    from tau2tui.analysis.errorlines import ErrorPatterns  # with Polars, which takes as long to load as all else

    return ErrorPatterns(dict(patterns)).rare_lines
