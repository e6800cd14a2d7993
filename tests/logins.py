"""Login nodes that ask a person something: real SSH servers in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh

from tau2tui.config import ClusterConfig

CODE = "123456"


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
