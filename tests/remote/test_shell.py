"""The same promises for this machine and for a real SSH server in the same process."""

from __future__ import annotations

import asyncio
import shlex
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from tau2tui.config import ClusterConfig
from tau2tui.errors import CommandFailed, ConfigError, Unreachable
from tau2tui.remote.shell import LocalShell, Shell, open_shell
from tau2tui.remote.ssh import SshShell
from tests.processes import is_alive


class SshServer:
    """A real SSH server on a free port that runs what it is told, as sshd does through the user's shell."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.logins = 0
        self.port = 0
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def start(self) -> None:
        self.client_key.write_private_key(self.directory / "id")
        self.client_key.write_public_key(self.directory / "id.pub")
        outer = self

        class Counting(asyncssh.SSHServer):
            def auth_completed(self) -> None:
                outer.logins += 1

        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Counting,
            server_host_keys=[self.host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(self.client_key.export_public_key().decode()),
            process_factory=self._run,
            sftp_factory=True,
            encoding=None,
        )
        self.port = self._acceptor.get_port()
        self.trust(self.host_key)
        (self.directory / "config").write_text(
            f"Host login\n HostName 127.0.0.1\n Port {self.port}\n User me\n"
            f" IdentityFile {self.directory}/id\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {self.directory}/known_hosts\n"
        )

    def trust(self, key: asyncssh.SSHKey) -> None:
        public = key.export_public_key().decode().strip()
        (self.directory / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}\n")

    async def stop(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            self._acceptor = None

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        child = await asyncio.create_subprocess_exec(
            "sh", "-c", process.command or "", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, err = await child.communicate()
        except asyncio.CancelledError:
            child.kill()
            await child.wait()
            raise
        process.stdout.write(out)
        process.stderr.write(err)
        process.exit(child.returncode or 0)

    @property
    def cluster(self) -> ClusterConfig:
        return ClusterConfig(login="login", ssh_config=str(self.directory / "config"))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SshServer]:
    directory = tmp_path / "ssh"
    directory.mkdir()
    server = SshServer(directory)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(params=["local", "ssh"])
async def shell(request: pytest.FixtureRequest, server: SshServer) -> AsyncIterator[Shell]:
    async with open_shell(server.cluster if request.param == "ssh" else ClusterConfig()) as shell:
        yield shell


WEIRD = "a b'c\"d $HOME `id` ; * \n ü \\"


async def test_arguments_arrive_as_they_were_given(shell: Shell) -> None:
    completed = await shell.run(["printf", "%s|", WEIRD, "", "-n"])
    assert completed.status == 0 and completed.stdout == f"{WEIRD}||-n|"


async def test_a_command_that_fails_says_so_in_its_own_words(shell: Shell) -> None:
    completed = await shell.run(["ls", "/no/such/place"])
    assert completed.status != 0
    with pytest.raises(CommandFailed, match="/no/such/place"):
        completed.check()


async def test_a_command_that_hangs_is_unreachable(shell: Shell) -> None:
    with pytest.raises(Unreachable, match="sleep did not answer within"):
        await shell.run(["sleep", "60"], timeout_s=0.3)


async def test_a_file_is_written_whole_and_read_in_pieces(shell: Shell, tmp_path: Path) -> None:
    path = str(tmp_path / "some file")
    await shell.write(path, b"0123456789")
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert await shell.read(path, 4, 3) == b"456"
    assert await shell.read(path, 20) == b""
    assert await shell.size(path) == 10
    await shell.append(path, b"+")
    assert await shell.read(path, 9) == b"9+"
    await shell.write(path, b"new")
    assert await shell.read(path) == b"new"
    assert await shell.names(str(tmp_path)) == tuple(sorted(entry.name for entry in tmp_path.iterdir()))


async def test_what_is_appended_makes_its_directory(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "record" / "mine.jsonl"
    for line in (b"one\n", b"two\n"):
        await shell.append(str(path), line)
    assert path.read_bytes() == b"one\ntwo\n"


async def test_a_file_that_is_not_there_is_told_from_a_machine_that_is_not(shell: Shell, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await shell.read(str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError):
        await shell.size(str(tmp_path / "none"))
    with pytest.raises(CommandFailed, match="cannot be written"):
        await shell.write(str(tmp_path / "none" / "file"), b"")
    assert await shell.names(str(tmp_path / "none")) == ()


async def test_twenty_commands_at_once_need_one_login(server: SshServer) -> None:
    async with open_shell(server.cluster) as shell:
        results = await asyncio.gather(*(shell.run(["echo", str(n)]) for n in range(20)))
    assert [result.stdout.strip() for result in results] == [str(n) for n in range(20)]
    assert server.logins == 1


async def test_a_lost_connection_is_unreachable_and_then_opened_again(server: SshServer) -> None:
    async with open_shell(server.cluster) as shell:
        assert isinstance(shell, SshShell)
        await shell.run(["true"])
        connection = await shell.connection()
        connection.abort()
        await connection.wait_closed()
        assert (await shell.run(["echo", "back"])).stdout == "back\n"
    assert server.logins == 2


async def test_an_unknown_host_key_is_refused_with_what_to_do(server: SshServer) -> None:
    server.trust(asyncssh.generate_private_key("ssh-ed25519"))
    with pytest.raises(Unreachable, match="host key") as caught:
        await SshShell(server.cluster).run(["true"])
    assert "ssh login" in caught.value.hint


async def test_a_rejected_key_is_told_as_such(server: SshServer) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    stranger.write_private_key(server.directory / "id")
    stranger.write_public_key(server.directory / "id.pub")
    with pytest.raises(Unreachable, match="login refused"):
        await SshShell(server.cluster).run(["true"])


async def test_a_key_that_cannot_be_used_is_told_as_such(server: SshServer) -> None:
    (server.directory / "id").write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\ngarbage\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    with pytest.raises((ConfigError, Unreachable), match="login"):
        await SshShell(server.cluster).run(["true"])


async def test_a_refused_connection_names_the_machine() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        cluster = ClusterConfig(login="me@127.0.0.1", port=free.getsockname()[1])
        with pytest.raises(Unreachable, match=r"me@127\.0\.0\.1"):
            await SshShell(cluster).run(["true"])


async def test_a_program_that_is_not_there_is_a_failed_command() -> None:
    with pytest.raises(CommandFailed, match="no-such-program"):
        await LocalShell().run(["no-such-program"])


async def test_what_a_hanging_command_started_is_ended_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {shlex.quote(str(mark))}; wait"
    with pytest.raises(Unreachable):
        await LocalShell().run(["sh", "-c", script], timeout_s=1)
    async with asyncio.timeout(20):
        while is_alive(int(mark.read_text())):
            await asyncio.sleep(0.05)
