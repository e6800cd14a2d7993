"""Run commands and read files somewhere: on this machine, or on a login node over one SSH connection.

Commands are argv, always with a time limit. SSH knows only strings, which the user's login shell splits again, so argv
is quoted by `shlex.join` and nothing in it is interpreted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import asyncssh

from tau2tui.config import ClusterConfig
from tau2tui.errors import CommandFailed, ConfigError, Tau2TuiError, Unreachable
from tau2tui.remote.command_log import CommandLog

SESSIONS = 4
"""Commands at a time over one connection; sshd's MaxSessions is 10 by default, and others share it."""
CONNECT_TIMEOUT_S = 20.0
READ_LIMIT = 8 << 20
_TIMED_OUT = 124
"""Exit status of `timeout` for a command that it ended."""


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
        """Append to a file, making it if need be. Raises CommandFailed, Unreachable."""
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
            await asyncio.to_thread(_write_atomically, Path(path), content, mode)
        except OSError as error:
            raise CommandFailed(f"{path} cannot be written: {error.strerror}") from None

    async def append(self, path: str, content: bytes) -> None:
        def append() -> None:
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


def _write_atomically(path: Path, content: bytes, mode: int) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class SshShell:
    """A login node, over one connection that is opened when it is first needed and again when it was lost.

    It is opened under a lock: one login, and one second factor, however many readers wait for it.
    """

    def __init__(self, cluster: ClusterConfig) -> None:
        self.name = cluster.login
        self.commands = CommandLog()
        self._cluster = cluster
        self._lock = asyncio.Lock()
        self._slots = asyncio.Semaphore(SESSIONS)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._files: asyncssh.SFTPClient | None = None

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            await self._connection.wait_closed()
            self._connection = None

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        """Run under `timeout` over there: sshd does not end a hanging command when its channel closes."""
        with self.commands.recording(tuple(argv)) as running:
            completed = await self._run(argv, timeout_s, stdin)
            running.status, running.error = completed.status, completed.stderr if completed.status else ""
        return completed

    async def _run(self, argv: Sequence[str], timeout_s: float, stdin: bytes) -> Completed:
        late = Unreachable(f"{self.name}: {argv[0]} did not answer within {timeout_s:g} s")
        command = shlex.join(("timeout", "--kill-after=5", f"{timeout_s:g}", *argv))
        async with self._session() as connection:
            try:
                result = await connection.run(command, input=stdin, encoding=None, timeout=timeout_s + 5, check=False)
            except asyncssh.TimeoutError:
                raise late from None
        out, err = _text(result.stdout), _text(result.stderr)
        status = result.exit_status
        if status == _TIMED_OUT:
            raise late
        if status is None:
            raise CommandFailed(f"{self.name}: {argv[0]} was ended by a signal", err.strip()[:200])
        return Completed(tuple(argv), status, out, err)

    async def read(self, path: str, offset: int = 0, limit: int = READ_LIMIT) -> bytes:
        async with self._sftp() as files:
            try:
                async with files.open(path, "rb") as file:
                    content: bytes = await file.read(limit, offset)
                    return content
            except asyncssh.SFTPNoSuchFile:
                raise FileNotFoundError(path) from None

    async def size(self, path: str) -> int:
        async with self._sftp() as files:
            try:
                return await files.getsize(path) or 0
            except asyncssh.SFTPNoSuchFile:
                raise FileNotFoundError(path) from None

    async def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
        async with self._sftp() as files:
            temporary = f"{path}.{os.getpid()}.tmp"
            attributes = asyncssh.SFTPAttrs(permissions=mode)
            try:
                async with files.open(temporary, "wb", attrs=attributes) as file:
                    await file.write(content)
                await files.chmod(temporary, mode)
                await files.posix_rename(temporary, path)
            except asyncssh.SFTPError as error:
                raise CommandFailed(f"{self.name}: {path} cannot be written: {error.reason}") from None

    async def append(self, path: str, content: bytes) -> None:
        async with self._sftp() as files:
            try:
                async with files.open(path, "ab") as file:
                    await file.write(content)
            except asyncssh.SFTPError as error:
                raise CommandFailed(f"{self.name}: {path} cannot be written: {error.reason}") from None

    async def names(self, directory: str) -> tuple[str, ...]:
        async with self._sftp() as files:
            try:
                names = await files.listdir(directory)
            except asyncssh.SFTPNoSuchFile:
                return ()
        return tuple(sorted(name for name in map(str, names) if name not in (".", "..")))

    async def home(self) -> str:
        async with self._sftp() as files:
            return str(await files.realpath("."))

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """The connection, for one of the few sessions at a time; what breaks it is Unreachable."""
        async with self._slots:
            connection = await self.connection()
            try:
                yield connection
            except (asyncssh.DisconnectError, asyncssh.ChannelOpenError, ConnectionError) as error:
                self._connection = self._files = None
                raise Unreachable(f"{self.name}: connection lost: {_reason(error)}") from None

    @contextlib.asynccontextmanager
    async def _sftp(self) -> AsyncIterator[asyncssh.SFTPClient]:
        async with self._session() as connection:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    if self._files is None:
                        self._files = await connection.start_sftp_client()
                    yield self._files
            except TimeoutError:
                raise Unreachable(f"{self.name}: files did not answer within {CONNECT_TIMEOUT_S:g} s") from None
            except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
                self._connection = self._files = None
                raise Unreachable(f"{self.name}: connection lost: {error.reason}") from None

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The connection, opened if it is not. Raises Unreachable, ConfigError."""
        async with self._lock:
            if self._connection is None or self._connection.is_closed():
                self._files = None
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        host, options = _connect_options(self._cluster)
        try:
            return await asyncssh.connect(host, **options)
        except (OSError, asyncssh.Error, ValueError) as error:
            # ValueError: ssh_config or a key file is not as it should be; asyncssh has no class of its own for that.
            raise _login_error(self.name, error) from None


def _connect_options(cluster: ClusterConfig) -> tuple[str, dict[str, object]]:
    """Host and options for asyncssh; all else comes from ~/.ssh/config and known_hosts, as for `ssh` itself."""
    user, _, host = cluster.login.rpartition("@")
    # Logs travel over it, and shrink to a fraction.
    options: dict[str, object] = {
        "connect_timeout": CONNECT_TIMEOUT_S, "keepalive_interval": 15, "compression_algs": ["zlib@openssh.com", "none"]
    }  # fmt: skip
    if user:
        options["username"] = user
    if cluster.port:
        options["port"] = cluster.port
    if cluster.ssh_config:
        options["config"] = [str(Path(cluster.ssh_config).expanduser())]
    return host, options


def _login_error(name: str, error: OSError | asyncssh.Error | ValueError) -> Tau2TuiError:
    """What went wrong at login, with what to do about it."""
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return Unreachable(
                f"{name}: its host key is not known, or changed",
                f"check it with `ssh {name}` and accept it there: known_hosts is never written from here",
            )
        case asyncssh.PermissionDenied():
            return Unreachable(
                f"{name}: login refused: {error.reason}", f"try `ssh {name}`: user, key and agent must work there"
            )
        case ValueError():
            return ConfigError(f"{name}: ssh is not set up: {error}", f"see ~/.ssh, and try `ssh {name}`")
        case FileNotFoundError():
            return Unreachable(f"{name}: ssh needs {error.filename}, which is not there", f"try `ssh {name}` once")
        case TimeoutError():
            return Unreachable(f"{name}: no connection within {CONNECT_TIMEOUT_S:g} s", "network, VPN?")
        case _:
            return Unreachable(f"{name}: no connection: {_reason(error)}", "is the host name right and its sshd up?")


def _reason(error: BaseException) -> str:
    return str(getattr(error, "reason", "") or error or type(error).__name__)


def _text(output: object) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else str(output or "")


@contextlib.asynccontextmanager
async def open_shell(cluster: ClusterConfig) -> AsyncIterator[Shell]:
    """The shell on the login node that a configuration names, or on this machine if it names none."""
    if not cluster.login:
        yield LocalShell()
        return
    shell = SshShell(cluster)
    try:
        yield shell
    finally:
        await shell.close()
