"""Logins that do not go as they should."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from tau2tui.config import ClusterConfig
from tau2tui.errors import Unreachable
from tau2tui.remote.claims import claimed
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import Completed, LocalShell
from tau2tui.remote.ssh import SshShell
from tests.logins import server


async def test_a_login_that_asks_where_nobody_can_answer_is_one_line_and_does_not_wait(tmp_path: Path) -> None:
    async with server(tmp_path) as there:
        with pytest.raises(Unreachable, match="login refused") as caught:
            await SshShell(there).run(["true"])
    assert len(str(caught.value).splitlines()) == 1


async def test_a_login_node_that_hangs_up_before_its_banner_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            connection, _ = listening.accept()
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        cluster = ClusterConfig(login="me@127.0.0.1", port=listening.getsockname()[1])
        with pytest.raises(Unreachable, match=r"me@127\.0\.0\.1"):
            await SshShell(cluster).run(["true"])
        thread.join()


class Greeting(LocalShell):
    """A machine whose start-up files print before each command, on its standard output."""

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        completed = await super().run(argv, timeout_s, stdin)
        noise = "Welcome to login1!\n{ maintenance: tuesday }\n\n"
        return Completed(completed.argv, completed.status, noise + completed.stdout, completed.stderr)


async def test_what_a_login_prints_before_the_answer_is_passed_over(tmp_path: Path) -> None:
    from tau2tui.node import agent

    place = tmp_path / "runs/one"
    for name in ("replicas", "successors", "predecessors"):
        (place / name).mkdir(parents=True)
    (place / "node_agent.py").write_bytes(Path(str(agent.__file__)).read_bytes())
    (place / "replicas/a-0.json").write_text(json.dumps({"name": "a-0", "phase": "failed"}))
    run = RunDirectory(Greeting(), PurePosixPath(place), sys.executable)
    state = await run.state()
    assert [replica.name for replica in state.replicas] == ["a-0"] or state.unreadable
    async with claimed(run, "Launch", print) as claim:
        assert claim.number == 1
