"""The word `serve`: the same app in a browser, for one person with a token, on this machine's own address."""

from __future__ import annotations

import hmac
import os
import secrets
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from tau2tui.cli.session import Session, say
from tau2tui.errors import CommandFailed, ConfigError

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

COOKIE = "tau2tui-token"
TOKEN_ENV = "TAU2TUI_WEB_TOKEN"  # noqa: S105 - the name of a variable
LEAST_TOKEN = 16


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="On 127.0.0.1 only.")
@click.pass_obj
def serve(session: Session, port: int) -> None:
    """Open the full-screen app in a browser.

    It listens on 127.0.0.1; from a laptop: ssh -L 8765:127.0.0.1:8765 LOGIN. The address with its token is on stderr;
    the environment variable TAU2TUI_WEB_TOKEN gives a token of your own, of 16 characters at least. Whoever has the
    token can do what you can, so start it with --read-only to let somebody only look. Needs the extra tau2tui[web].
    """
    session.config()  # what is wrong with it is said here, and not in a browser
    token = os.environ.get(TOKEN_ENV, "") or secrets.token_urlsafe(32)
    if len(token) < LEAST_TOKEN:
        raise ConfigError(f"{TOKEN_ENV} has fewer than {LEAST_TOKEN} characters", "leave it out, and one is made")
    try:
        from textual_serve.server import Server
    except ImportError:
        raise ConfigError("textual-serve is not installed", "pip install 'tau2tui[web]'") from None

    class Guarded(Server):
        """Serves nobody without the token; says nothing of it in its log."""

        def initialize_logging(self) -> None:
            """Requests hold the token: they are not logged."""

        async def on_startup(self, app: web.Application) -> None:
            say(f"http://127.0.0.1:{port}/?token={token}")
            say("ctrl+c ends it; the run goes on")

        async def _make_app(self) -> web.Application:
            app = await super()._make_app()
            app.middlewares.append(guard(token, self))
            return app

    try:
        Guarded(command_line(session), host="127.0.0.1", port=port, title="tau2tui").serve()
    except OSError as error:
        raise CommandFailed(f"127.0.0.1:{port}: {error.strerror}", "choose another --port") from None


def command_line(session: Session) -> str:
    """The app as it is started for each browser: the options that were named, quoted for the shell that runs it."""
    words = [sys.executable, "-m", "tau2tui", "--config", str(Path(session.config_file).absolute())]
    words += ["--run", session.run_id] if session.run_id else []
    words += ["--read-only"] if session.read_only else []
    return shlex.join(words)


def guard(token: str, server: object) -> Middleware:
    """Lets only those in who show the token: once in the address, from then on as a cookie that scripts cannot read."""
    from aiohttp import web

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.query.get("token")
        if shown is not None and request.path == "/" and _same(shown, token):
            answer = web.HTTPSeeOther("/")
            answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict", path="/")
            raise answer
        if not _same(request.cookies.get(COOKIE, ""), token) or not _own_page(request):
            raise web.HTTPForbidden(text="Open the address that tau2tui serve has printed; it holds the token.\n")
        # The page names the address that the browser used, which a tunnel may have changed.
        server.public_url = f"http://{request.host}"  # type: ignore[attr-defined]
        answered: web.StreamResponse = await handler(request)
        if not answered.prepared:
            answered.headers["Referrer-Policy"] = "no-referrer"
            answered.headers["X-Frame-Options"] = "DENY"
        return answered

    return check


def _same(shown: str, token: str) -> bool:
    return hmac.compare_digest(shown.encode(), token.encode())


def _own_page(request: web.Request) -> bool:
    """Whether a request comes from our own page: another site in the same browser must not open the WebSocket."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host
