"""The terminal, taken again after somebody else had it: also by a program that was stopped without being asked.

Ctrl+z asks (SIGTSTP), and Textual gives the terminal back first. SIGSTOP does not: the shell puts its own modes in
place and writes over the screen. When the program goes on, Textual 8.2 takes the terminal a second time without having
let go of it: two threads then share the keys, nothing is drawn again, and at the end one of them waits for ever, in a
terminal without echo.
"""

from __future__ import annotations

import asyncio
import os
import signal

from textual.drivers.linux_driver import LinuxDriver


class TerminalDriver(LinuxDriver):
    """Textual's own, which lets go of a terminal before it takes it again."""

    _has_terminal = False

    def start_application_mode(self) -> None:
        """Take the terminal; called at the start, and from the handler of SIGCONT."""
        if not self._has_terminal:
            super().start_application_mode()  # type: ignore[no-untyped-call]
            self._has_terminal = True
            return
        foreground = _foreground(self.fileno)
        if foreground == os.getpgrp():
            # Not in here: what the signal has interrupted may hold the lock of what is to be drawn.
            asyncio.get_running_loop().call_soon_threadsafe(self._take_again)
        elif foreground:
            os.kill(os.getpid(), signal.SIGSTOP)  # until the shell gives it the terminal, as Textual does after ctrl+z

    def stop_application_mode(self) -> None:
        """Let go of the terminal, with its modes as they were before."""
        self._has_terminal = False
        super().stop_application_mode()

    def _take_again(self) -> None:
        if self._has_terminal and _foreground(self.fileno) == os.getpgrp():  # it may have gone away since
            self.suspend_application_mode()
            self.resume_application_mode()
            self._app.refresh(layout=True)


def _foreground(terminal: int) -> int:
    """The process group in the foreground; 0 where there is none, as when the terminal goes away.

    The system says that with a SIGHUP and a SIGCONT: whoever stopped for the latter would never end by the former.
    """
    try:
        return os.tcgetpgrp(terminal)
    except OSError:
        return 0
