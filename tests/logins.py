"""Login nodes that ask a person something: real SSH servers in the same process, and OpenSSH."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import tomlkit

from tau2tui.config import ClusterConfig
from tau2tui.remote.login import Login, Question
from tau2tui.remote.ssh import SshShell
from tests.processes import free_port, wait_for
from tests.terminal import Terminal

CODE = "123456"


@dataclass
class Person:
    """Answers what it is asked, one after the other; None: would rather not."""

    answers: list[str | None]
    asked: list[Question] = field(default_factory=list)

    async def answer(self, question: Question) -> str | None:
        self.asked.append(question)
        return self.answers.pop(0)


@dataclass
class Silent:
    """Is asked, and does not answer."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left_alone: asyncio.Event = field(default_factory=asyncio.Event)
    """The question was taken back."""

    async def answer(self, _: Question) -> str | None:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left_alone.set()
        return ""


async def ends_its_question(there: ClusterConfig) -> None:
    """A login that asks is given up with its shell, and nobody is asked any more."""
    silent = Silent()
    shell = SshShell(there, Login(silent.answer))
    reader = asyncio.create_task(shell.run(["true"]))
    await silent.asked.wait()
    await shell.close()
    assert isinstance((await asyncio.gather(reader, return_exceptions=True))[0], asyncio.CancelledError)
    await asyncio.wait_for(silent.left_alone.wait(), 20)


@contextmanager
def two_terminals(there: ClusterConfig, directory: Path, width: int) -> Iterator[tuple[Terminal, Terminal]]:
    """The same word, which must log in, in two terminals of their own."""
    expert = {"model": "org/Agent", "role": "agent", "node": 1, "gpus": [0], "port": 1900}
    settings = {"cluster": there.model_dump(exclude_defaults=True), "run": {"directory": str(directory / "runs")}}
    (directory / "config.toml").write_text(tomlkit.dumps(settings | {"experts": {"orchestrator": expert}}))
    command = [sys.executable, "-m", "tau2tui", "--config", str(directory / "config.toml"), "runs"]
    terminals = [Terminal(f"tau2tui-{os.getpid()}-{name}", command, width, 30, directory) for name in ("one", "two")]
    try:
        yield terminals[0], terminals[1]
    finally:
        for terminal in terminals:
            terminal.close()


class Asking(asyncssh.SSHServer):
    """Wants to know which way a code shall come, and then the code."""

    tries = 0

    def begin_auth(self, username: str) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        type(self).tries += 1
        return "Duo", "Enter a passcode or:\n 1. push to \x1b[31mphone", "", [("Way: ", True), ("Code: ", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        return list(responses) == ["1", CODE]


class AskingForPassword(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == CODE


@asynccontextmanager
async def server(directory: Path, kind: type[asyncssh.SSHServer] = Asking) -> AsyncIterator[ClusterConfig]:
    """A login node that asks."""

    async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
        child = await asyncio.create_subprocess_exec("sh", "-c", process.command or "", stdout=asyncio.subprocess.PIPE)
        process.stdout.write((await child.communicate())[0])
        process.exit(child.returncode or 0)

    Asking.tries = 0
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(directory / "id")  # which the server does not know
    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=kind,
        server_host_keys=[key],
        process_factory=run,
        sftp_factory=True,
        encoding=None,
    )
    try:
        yield cluster(directory, acceptor.get_port(), key.export_public_key().decode())
    finally:
        acceptor.close()
        await acceptor.wait_closed()


def cluster(directory: Path, port: int, host_key: str) -> ClusterConfig:
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key.strip()}\n")
    (directory / "config").write_text(
        f"Host login\n HostName 127.0.0.1\n Port {port}\n IdentityFile {directory}/id\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {directory}/known_hosts\n"
    )
    return ClusterConfig(login="login", ssh_config=str(directory / "config"))


@contextmanager
def openssh(directory: Path, settings: str, pam: str = "auth required pam_deny.so\n") -> Iterator[ClusterConfig]:
    """The sshd of OpenSSH, with a host key of its own, these settings and this file of PAM; its log is beside them."""
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    assert program, "openssh-server is needed, see scripts/debian-packages"
    keygen(directory / "host", "")
    (directory / "pam").write_text(pam)
    port = free_port()
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {directory}/authorized\nPermitRootLogin yes\nPasswordAuthentication no\n{settings}"
    )
    start = 'mkdir -p /run/sshd; mount --bind "$1" /etc/pam.d/sshd && exec "$2" -D -e -f "$3"'
    argv = ["unshare", "--mount", "sh", "-c", start, "sh", str(directory / "pam"), program]
    log = directory / "log"
    with log.open("wb") as said, subprocess.Popen([*argv, str(directory / "sshd_config")], stderr=said) as sshd:
        try:
            wait_for(lambda: "Server listening" in log.read_text(), "sshd")
            yield cluster(directory, port, (directory / "host.pub").read_text())
        finally:
            sshd.terminate()


def keygen(path: Path, passphrase: str, *options: str) -> None:
    """A private key as OpenSSH makes it, and its public half beside it."""
    kind = options or ("-t", "ed25519")
    subprocess.run(["ssh-keygen", "-q", *kind, "-N", passphrase, "-f", str(path)], check=True)
