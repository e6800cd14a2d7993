"""The app in a browser: only with the token, and only on this machine's own address."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tau2tui.cli.serve import COOKIE, command_line
from tau2tui.cli.session import Session
from tests.processes import free_port, wait_for
from tests.test_cli import LOCAL, RUNNING, write_run

TOKEN = "a-token-of-our-own-0123456789"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A served app on a run; it ends with the test."""
    (tmp_path / "config.toml").write_text(LOCAL.replace('"runs"', f'"{tmp_path}/runs"'))
    write_run(tmp_path / "runs" / "20260101", RUNNING)
    (tmp_path / "runs" / "latest").write_text("20260101")
    port = free_port()
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "TAU2TUI_WEB_TOKEN": TOKEN,
        "XDG_STATE_HOME": str(tmp_path),
    }
    environ.pop("NO_COLOR", None)
    words = [sys.executable, "-m", "tau2tui", "serve", "--port", str(port)]
    with subprocess.Popen(words, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        told = server.stderr.readline()
        assert f"http://127.0.0.1:{port}/?token={TOKEN}" in told, told
        wait_for(lambda: answers(port), "the server")
        yield f"http://127.0.0.1:{port}"
        server.terminate()
        server.stderr.read()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


async def test_nobody_gets_in_without_the_token_and_with_it_the_screen_comes(address: str) -> None:
    async with aiohttp.ClientSession() as stranger:
        for path in ("/", "/ws", "/static/", "/?token=wrong", "/download/1"):
            async with stranger.get(address + path, allow_redirects=False) as answer:
                assert answer.status == 403, path
    jar = aiohttp.CookieJar(unsafe=True)  # for an address instead of a name
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with browser.get(f"{address}/?token={TOKEN}", allow_redirects=False) as answer:
            assert answer.status == 303 and answer.headers["Location"] == "/"
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and cookie.startswith(COOKIE)
        async with browser.get(address) as answer:
            assert answer.status == 200
            page = await answer.text()
            assert TOKEN not in page and "/ws" in page
        async with browser.get(f"{address}/ws", headers={"Origin": "http://evil.example"}) as answer:
            assert answer.status == 403
        async with browser.ws_connect(f"{address}/ws?width=100&height=30", headers={"Origin": address}) as browser_end:
            drawn = b""
            async with asyncio.timeout(60):
                while b"20260101" not in drawn:
                    message = await browser_end.receive()
                    assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
                    drawn += message.data if isinstance(message.data, bytes) else b""


def test_the_command_of_a_browser_names_the_run_and_stays_read_only() -> None:
    words = command_line(Session(Path("/a dir/it's.toml"), "20260101; id", True))
    assert words.endswith("""--config '/a dir/it'"'"'s.toml' --run '20260101; id' --read-only""")


def test_a_short_token_of_ones_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(LOCAL)
    done = subprocess.run(
        [sys.executable, "-m", "tau2tui", "serve"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "TAU2TUI_WEB_TOKEN": "short"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "fewer than 16 characters" in done.stderr
