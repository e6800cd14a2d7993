"""Run commands and read files somewhere: on this machine, or on a login node over one SSH connection.

Commands are argv, always with a time limit; `remote.ssh` is the way to another machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from tau2tui.config import ClusterConfig
from tau2tui.errors import CommandFailed, Unreachable
from tau2tui.files import write_atomically
from tau2tui.remote.command_log import CommandLog
from tau2tui.remote.login import Login

READ_LIMIT = 8 << 20


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    def check(self) -> Completed:
        """Itself, or CommandFailed with the command's own words."""
        if self.status == 0:
            return self
        raise CommandFailed(f"{self.argv[0]} ended with status {self.status}: {self.complaint}")

    @property
    def answer(self) -> str:
        """The last line of what it printed: start-up files of a login may print before a command does."""
        return self.stdout.strip().rpartition("\n")[2]

    @property
    def complaint(self) -> str:
        """The last lines that it said, in one: the first ones are often only what led there."""
        lines = [line.strip() for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        return "; ".join(lines[-3:])[:500] or "it said nothing"


class Shell(Protocol):
    """A place where commands run and files lie."""

    name: str
    """What errors call the place."""

    @property
    def commands(self) -> CommandLog:
        """What was run."""
        ...

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        """Run to the end, `stdin` being its whole input. Raises Unreachable if there is no answer in time."""
        ...

    async def read(self, path: str, offset: int = 0, limit: int = READ_LIMIT) -> bytes:
        """At most `limit` bytes from `offset`; fewer at the end of the file. Raises FileNotFoundError, Unreachable."""
        ...

    async def size(self, path: str) -> int:
        """Bytes in a file. Raises FileNotFoundError, Unreachable."""
        ...

    async def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
        """Write so that no reader sees half a file. Raises CommandFailed, Unreachable."""
        ...

    async def append(self, path: str, content: bytes) -> None:
        """Append to a file, making it and its directory if need be. Raises CommandFailed, Unreachable."""
        ...

    async def names(self, directory: str) -> tuple[str, ...]:
        """Names in a directory, sorted; a directory that does not exist has none. Raises Unreachable."""
        ...

    async def home(self) -> str:
        """The user's home directory there."""
        ...


class LocalShell:
    """This machine."""

    name = "this machine"

    @cached_property
    def commands(self) -> CommandLog:
        return CommandLog()

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        """Run in a process group of its own, which is ended as a whole when the time is over."""
        with self.commands.recording(tuple(argv)) as running:
            completed = await self._run(argv, timeout_s, stdin)
            running.status, running.error = completed.status, completed.stderr if completed.status else ""
        return completed

    async def _run(self, argv: Sequence[str], timeout_s: float, stdin: bytes) -> Completed:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise CommandFailed(f"{argv[0]} cannot be run on {self.name}: {error.strerror}") from None
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate(stdin)
        except TimeoutError:
            raise Unreachable(f"{argv[0]} did not answer within {timeout_s:g} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        assert process.returncode is not None
        return Completed(tuple(argv), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    async def read(self, path: str, offset: int = 0, limit: int = READ_LIMIT) -> bytes:
        def read() -> bytes:
            with Path(path).open("rb") as file:
                file.seek(offset)
                return file.read(limit)

        return await asyncio.to_thread(read)

    async def size(self, path: str) -> int:
        return (await asyncio.to_thread(Path(path).stat)).st_size

    async def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
        try:
            await asyncio.to_thread(write_atomically, Path(path), content, mode=mode)
        except OSError as error:
            raise CommandFailed(f"{path} cannot be written: {error.strerror}") from None

    async def append(self, path: str, content: bytes) -> None:
        def append() -> None:
            Path(path).parent.mkdir(exist_ok=True)
            with Path(path).open("ab") as file:
                file.write(content)

        try:
            await asyncio.to_thread(append)
        except OSError as error:
            raise CommandFailed(f"{path} cannot be written: {error.strerror}") from None

    async def names(self, directory: str) -> tuple[str, ...]:
        def names() -> tuple[str, ...]:
            try:
                return tuple(sorted(entry.name for entry in Path(directory).iterdir()))
            except FileNotFoundError:
                return ()

        return await asyncio.to_thread(names)

    async def home(self) -> str:
        return str(Path.home())


@contextlib.asynccontextmanager
async def open_shell(cluster: ClusterConfig, login: Login | None = None) -> AsyncIterator[Shell]:
    """The shell on the login node that a configuration names, or on this machine if it names none.

    `login` answers what the login node asks; without it nobody does.
    """
    if not cluster.login:
        yield LocalShell()
        return
    from tau2tui.remote.ssh import SshShell  # a quarter of a second, which who needs no SSH does not wait for

    shell = SshShell(cluster, login)
    try:
        yield shell
    finally:
        await shell.close()
