"""A login node over one SSH connection.

SSH knows only strings, which the user's login shell splits again, so argv is quoted by `shlex.join` and nothing in it
is interpreted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import shlex
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncssh

from tau2tui.config import ClusterConfig
from tau2tui.errors import CommandFailed, ConfigError, Tau2TuiError, Unreachable
from tau2tui.remote.command_log import CommandLog
from tau2tui.remote.login import Login, Question
from tau2tui.remote.passphrase import Passphrases
from tau2tui.remote.shell import READ_LIMIT, Completed

SESSIONS = 4
"""Commands at a time over one connection; sshd's MaxSessions is 10 by default, and others share it."""
CONNECT_TIMEOUT_S = 20.0
"""For a connection and a login; the time in which a person thinks about a question is not counted."""
_TIMED_OUT = 124
"""Exit status of `timeout` for a command that it ended."""


class SshShell:
    """A login node, over one connection that is opened when it is first needed and again when it was lost.

    There is one login at a time, and one second factor, however many readers wait for it; a reader that waits no
    longer does not end it.
    """

    def __init__(self, cluster: ClusterConfig, login: Login | None = None) -> None:
        """`login` answers what the server asks; without it nobody does."""
        self.name = cluster.login
        self.commands = CommandLog()
        self._cluster = cluster
        self._login = login or Login()
        self._slots = asyncio.Semaphore(SESSIONS)
        self._connecting: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._files: asyncssh.SFTPClient | None = None

    async def close(self) -> None:
        connecting, self._connecting = self._connecting, None
        if connecting is None or not _is_open(connecting):
            if connecting is not None:
                connecting.cancel()
            return
        connection = connecting.result()
        connection.close()
        await connection.wait_closed()

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
                try:
                    file = await files.open(path, "ab")
                except asyncssh.SFTPNoSuchFile:
                    await files.makedirs(posixpath.dirname(path), exist_ok=True)
                    file = await files.open(path, "ab")
                async with file:
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
                self._connecting = self._files = None
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
                self._connecting = self._files = None
                raise Unreachable(f"{self.name}: connection lost: {error.reason}") from None

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The connection, opened if it is not. Raises Unreachable, ConfigError."""
        connecting = self._connecting
        if connecting is None or (connecting.done() and not _is_open(connecting)):
            connecting = self._connecting = asyncio.create_task(self._connect())
            connecting.add_done_callback(_heard)
            self._files = None
        return await asyncio.shield(connecting)

    async def _connect(self) -> asyncssh.SSHClientConnection:
        if self._login.declined:  # nor is anything tried that might be counted as an attack
            raise Unreachable(f"{self.name}: login refused: its question was not answered", "`r` asks again")
        host, options = _connect_options(self._cluster)
        limit = asyncio.timeout(None)
        person = _Person(self.name, self._login, limit)
        passphrases = Passphrases(self.name, self._login, person.ask)
        if self._login.asks:
            options["passphrase"] = passphrases
        try:
            async with limit:
                person.hurry()
                return await asyncssh.connect(host, client_factory=lambda: person, **options)
        except (OSError, asyncssh.Error, ValueError) as error:
            # ValueError: ssh_config or a key file is not as it should be; asyncssh has no class of its own for it.
            self._login.declined = person.was_asked or bool(passphrases.unanswered)
            raise _login_error(self.name, error) from None
        finally:
            passphrases.close()


class _Person(asyncssh.SSHClient):
    """Passes on what the server asks; while somebody thinks about it no time passes."""

    def __init__(self, name: str, login: Login, limit: asyncio.Timeout) -> None:
        self._name, self._login, self._limit = name, login, limit
        self.was_asked = False
        """For something that only the server knows to be right."""

    def hurry(self) -> None:
        """What is not the person's has a limit from now on."""
        with contextlib.suppress(RuntimeError):  # the login is over
            self._limit.reschedule(asyncio.get_running_loop().time() + CONNECT_TIMEOUT_S)

    def kbdint_auth_requested(self) -> str | None:
        return "" if self._login.asks else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        answers: list[str] = []
        words = " ".join(filter(None, (name.strip(), instructions.strip())))
        for prompt, echoed in prompts:
            self.was_asked = True
            answer = await self.ask(Question(self._name, words, prompt, echoed))
            if answer is None:
                return None
            answers.append(answer)
        return answers

    async def password_auth_requested(self) -> str | None:
        if not self._login.asks:
            return None
        self.was_asked = True
        return await self.ask(Question(self._name, "", "Password: ", echoed=False))

    async def ask(self, question: Question) -> str | None:
        self._limit.reschedule(None)
        try:
            return await self._login.ask(question)
        finally:
            self.hurry()


def _is_open(connecting: asyncio.Task[asyncssh.SSHClientConnection]) -> bool:
    """Whether a login has come to a connection that still is one."""
    ended = not connecting.done() or connecting.cancelled() or connecting.exception() is not None
    return not ended and not connecting.result().is_closed()


def _heard(connecting: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
    """Whoever waited for a login has heard of its error; if nobody waits any more nobody needs to."""
    if not connecting.cancelled():
        connecting.exception()


def _connect_options(cluster: ClusterConfig) -> tuple[str, dict[str, object]]:
    """Host and options for asyncssh; all else comes from ~/.ssh/config and known_hosts, as for `ssh` itself."""
    user, _, host = cluster.login.rpartition("@")
    # Logs travel over it, and shrink to a fraction.
    options: dict[str, object] = {
        "login_timeout": 0,
        "keepalive_interval": 15,
        "compression_algs": ["zlib@openssh.com", "none"],
    }
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
