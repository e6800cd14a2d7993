"""Where notices go beyond the screens."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tau2tui.config import NoticesConfig
from tau2tui.core.model import Phase
from tau2tui.core.notices import Notice, Weight
from tau2tui.tui.telling import name_window, post, tell_tmux
from tau2tui.tui.tmux import literal
from tests.tui.driving import look, run_on, until
from tests.tui.fakes import busy_cluster, make_ops

pytestmark = pytest.mark.slow

NEWS = Notice(7.0, "failed", ("expert-1-2",), "expert-1-2 failed: out of memory", Weight.BAD, "fleet")


class _Receiver(BaseHTTPRequestHandler):
    status = 200
    received: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden method
        """Stay silent."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[_Receiver]]]:
    """Somebody to post to."""
    handler = type("Receiver", (_Receiver,), {"received": [], "status": 200})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/secret-path", handler
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_webhook_gets_the_notice_and_its_trouble_never_names_the_url(
    receiver: tuple[str, type[_Receiver]],
) -> None:
    url, handler = receiver
    assert await post(url, "one", NEWS) == ""
    assert handler.received == [
        {"run": "one", "at": 7.0, "weight": "bad", "kind": "failed", "text": "expert-1-2 failed: out of memory"}
    ]
    handler.status = 500
    assert await post(url, "one", NEWS) == "the webhook answered with 500"
    for wrong in ("http://127.0.0.1:1/secret-path", "not a url", "ftp://secret"):
        assert "secret" not in await post(wrong, "one", NEWS)
        assert await post(wrong, "one", NEWS) != ""


async def test_a_webhook_that_fails_anew_after_it_recovered_is_told_anew(
    receiver: tuple[str, type[_Receiver]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, handler = receiver
    monkeypatch.setenv("NOTICE_URL", url)
    cluster = busy_cluster()
    cluster.config = cluster.config.model_copy(update={"notices": NoticesConfig(webhook_env="NOTICE_URL", tmux=False)})
    ops = make_ops(cluster)
    told = "the webhook answered with 500"
    async with run_on(ops) as (app, pilot):

        async def fail(name: str, status: int) -> int:
            """A replica fails while the webhook answers with this; how often its trouble was told until then."""
            handler.status, before = status, len(handler.received)
            cluster.change(name, phase=Phase.FAILED, why="out of memory")
            await look(ops, pilot)
            await until(pilot, lambda: len(handler.received) > before)
            await until(pilot, lambda: all(each.group != "pass-on" for each in app.workers))
            await pilot.pause()
            return sum(told in words for words in app.told)

        assert await fail("expert-1-2", 500) == 1
        assert await fail("expert-1-3", 500) == 1
        assert await fail("expert-2-1", 200) == 1
        assert await fail("expert-2-2", 500) == 2


async def test_in_a_real_tmux_the_window_is_named_and_named_by_tmux_again_afterwards(tmp_path: Path) -> None:
    tmux = shutil.which("tmux")
    assert tmux, "tmux is one of the packages that scripts/test installs"
    socket = tmp_path / "socket"
    call = (tmux, "-u", "-S", str(socket))

    def ask(*words: str) -> str:
        done = subprocess.run((*call, *words), check=True, capture_output=True, text=True, cwd=tmp_path)
        return done.stdout.strip()

    ask("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sleep 60")
    try:
        pane = ask("list-panes", "-F", "#{pane_id}")
        environ = {"TMUX": f"{socket},1,0", "TMUX_PANE": pane}
        hostile = "tau2 ●9 58% #{pid} #(touch touched) $(id) `id`"
        await name_window(hostile, environ)
        assert ask("list-windows", "-F", "#{window_name}") == hostile
        assert ask("display-message", "-p", literal(hostile).replace("%", "%%")) == hostile
        await tell_tmux(hostile, environ)
        assert not (tmp_path / "touched").exists()
        await name_window("", environ)
        assert ask("show-window-options", "-v", "automatic-rename") == "on"
    finally:
        ask("kill-server")
