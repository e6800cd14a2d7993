"""Local ports to the endpoints, through the login node, over the one SSH connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import asyncssh

from tau2tui.core.model import Phase, Replica
from tau2tui.errors import Tau2TuiError
from tau2tui.remote.ssh import SshShell

LOCAL_HOST = "127.0.0.1"
CHECK_S = 5.0


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One local port and where it leads."""

    replica: str
    model: str
    local_port: int
    address: str
    port: int


class Tunnels:
    """A local port for each replica that is ready; it stays the same when the connection or the replica comes back."""

    def __init__(self, shell: SshShell) -> None:
        self._shell = shell
        self._ports: dict[str, int] = {}
        self._listeners: dict[str, tuple[Tunnel, asyncssh.SSHListener]] = {}
        self._connection: asyncssh.SSHClientConnection | None = None

    @property
    def open(self) -> tuple[Tunnel, ...]:
        """What is open now, by replica."""
        return tuple(tunnel for _, (tunnel, _) in sorted(self._listeners.items()))

    async def update(self, replicas: Iterable[Replica]) -> bool:
        """Open what is missing and close what is gone; returns whether something changed. Raises Unreachable."""
        connection = await self._shell.connection()
        if connection is not self._connection:
            self._listeners.clear()  # they ended with the connection that they belonged to
            self._connection = connection
        wanted = {r.name: r for r in replicas if r.phase in (Phase.READY, Phase.DEGRADED) and r.address}
        before = self.open
        for name in [name for name in self._listeners if name not in wanted]:
            self._close(name)
        for name, replica in wanted.items():
            known = self._listeners.get(name)
            if known and (known[0].address, known[0].port) != (replica.address, replica.port):
                self._close(name)
                known = None
            if known is None:
                await self._open(connection, replica)
        return self.open != before

    async def _open(self, connection: asyncssh.SSHClientConnection, replica: Replica) -> None:
        try:
            listener = await connection.forward_local_port(
                LOCAL_HOST, self._ports.get(replica.name, 0), replica.address, replica.port
            )
        except OSError:
            # The port that it had is taken meanwhile: another one is better than none.
            listener = await connection.forward_local_port(LOCAL_HOST, 0, replica.address, replica.port)
        self._ports[replica.name] = listener.get_port()
        tunnel = Tunnel(replica.name, replica.model, listener.get_port(), replica.address, replica.port)
        self._listeners[replica.name] = (tunnel, listener)

    def _close(self, name: str) -> None:
        _, listener = self._listeners.pop(name)
        listener.close()


def local_endpoints(table: dict[str, Any], tunnels: Iterable[Tunnel]) -> str:
    """`model_config_oss.json` with the local ends of the tunnels instead of the cluster's addresses."""
    here: dict[str, Any] = {key: [] if isinstance(value, list) else value for key, value in table.items()}
    for tunnel in tunnels:
        here.setdefault(tunnel.model, []).append({"ip_addr": LOCAL_HOST, "port": str(tunnel.local_port)})
    return json.dumps(here, indent=2) + "\n"


async def keep_open(
    tunnels: Tunnels,
    replicas: Callable[[], Iterable[Replica]],
    changed: Callable[[], None],
    lost: Callable[[str], None],
) -> None:
    """Keep the tunnels as the fleet is, until cancelled; a lost connection is opened again."""
    while True:
        try:
            if await tunnels.update(replicas()):
                changed()
        except Tau2TuiError as error:
            lost(error.message)
        await asyncio.sleep(CHECK_S)
