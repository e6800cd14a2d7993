"""The word `tunnel`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from tau2tui.cli.session import Session, put, run_async, say
from tau2tui.core import layout
from tau2tui.core.model import Replica
from tau2tui.errors import Refused


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("model_config_local.json"),
    show_default=True,
    help="The endpoints with the local ports, in the shape of model_config_oss.json.",
)
@click.pass_obj
def tunnel(session: Session, out: Path) -> None:
    """Open local ports to all endpoints.

    From a laptop, through the login node, over one SSH connection; kept open, and kept as the fleet is, until ctrl+c.
    """
    from tau2tui.remote.ssh import SshShell
    from tau2tui.remote.tunnel import Tunnels, keep_open, local_endpoints

    async def hold() -> None:
        async with session.ops() as ops:
            shell = ops.shell
            if not isinstance(shell, SshShell):
                raise Refused(
                    "this machine is the login node: its endpoints need no tunnel", "see model_config_oss.json"
                )
            await ops.look()
            tunnels = Tunnels(shell)
            table = json.loads(await shell.read(str(ops.run.path / layout.ENDPOINTS)))

            def changed() -> None:
                out.write_text(local_endpoints(table, tunnels.open))
                for each in tunnels.open:
                    put(f"{each.replica}  http://127.0.0.1:{each.local_port}/v1  →  {each.address}:{each.port}")
                put(f"{len(tunnels.open)} tunnels, {out}")

            def replicas() -> tuple[Replica, ...]:
                run = ops.snapshot.run.value
                return run.replicas if run else ()

            async with asyncio.TaskGroup() as group:
                group.create_task(ops.observe())
                group.create_task(keep_open(tunnels, replicas, changed, say))

    run_async(hold)
