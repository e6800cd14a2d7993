"""The end of a terminal that nobody tells of: where hang-ups are ignored, as under nohup, there is no signal.

Without this the screen would stay for ever, and keep a processor busy: Textual 8.2 reads the end of its input again and
again. It is looked for by a thread, as the event loop may already wait for room to draw.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable

_STATUS = 128 + signal.SIGHUP
"""What a shell says of a program that a hang-up has ended."""


def end_with_terminal(end: Callable[[int], object] = os._exit, fd: int = 0) -> bool:
    """End the program at once when its terminal goes away; False if `fd` is no terminal, and nothing is awaited.

    Nothing is restored, as there is nothing left to restore, and nothing of the run is touched. A program that handles
    hang-ups itself, as the demo does to stop its fleet, is left to do so.
    """
    if not os.isatty(fd):
        return False
    threading.Thread(target=_wait, args=(fd, end), name="hang-up", daemon=True).start()
    return True


def _wait(fd: int, end: Callable[[int], object]) -> None:
    terminal = select.poll()
    terminal.register(fd, 0)  # a hang-up is told unasked; keys are not what is waited for
    while not any(what & (select.POLLHUP | select.POLLERR) for _, what in terminal.poll()):
        pass
    if signal.getsignal(signal.SIGHUP) in (signal.SIG_DFL, signal.SIG_IGN):
        end(_STATUS)
