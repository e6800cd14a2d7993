"""A vLLM server over HTTP: its readiness level by level, who it is, and its metrics."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tau2tui.core.endpoint import Probed, ServedModel
from tau2tui.core.metrics.scrape import Scrape, parse
from tau2tui.core.model import Level
from tau2tui.errors import ConfigError
from tau2tui.node.agent import PROBE_TOOL
from tau2tui.remote.patience import Patience

TIMEOUT_S = 5.0
COMPLETION_TIMEOUT_S = 120.0
BODY_LIMIT = 8 << 20
FRESH_CONNECTIONS = 3
"""Two servers may share a port through SO_REUSEPORT and answer by turns."""


def endpoint_url(text: str) -> str:
    """`host:port` or a URL, with or without /v1 → the root of the server. Raises ConfigError."""
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        shown = "a URL with a user or a password in it" if "@" in text else text
        raise ConfigError(f"{shown}: not a URL: {error}", "for example http://gpu07:1900") from None
    if parts.username or parts.password:
        raise ConfigError("a URL with a user or a password in it is not taken", "name a key's variable: --api-key-env")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.query or parts.fragment:
        raise ConfigError(f"{text}: not the URL of a server", "for example http://gpu07:1900")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.rstrip("/").removesuffix("/v1")
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}"


@asynccontextmanager
async def http_client(
    *, tls: bool, api_key: str = "", timeout_s: float = TIMEOUT_S
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client for servers of ours: no proxy stands between, no redirect is followed, with the key if there is one."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    # Certificates take long to load, and http needs none.
    context = ssl.create_default_context() if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx2.AsyncClient(
        headers=headers, timeout=timeout_s, transport=PoolForEach(context), trust_env=False, follow_redirects=False
    ) as client:
        yield client


class PoolForEach(httpx2.AsyncBaseTransport):
    """A pool of connections for each server: one pool for all looks through all of its connections at each request.

    With 512 servers in one pool a sweep takes ten times as long.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._pools: dict[tuple[str, str, int | None], httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        origin = (request.url.scheme, request.url.host, request.url.port)
        pool = self._pools.get(origin)
        if pool is None:
            pool = httpx2.AsyncHTTPTransport(verify=self._context, limits=_LIMITS, trust_env=False)
            self._pools[origin] = pool
        return await pool.handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


_LIMITS = httpx2.Limits(max_connections=8, max_keepalive_connections=2, keepalive_expiry=30.0)


class _Failed(Exception):
    """A level is not reached, and why."""

    def __init__(self, why: str, *, answered: bool = True, connected: bool = True, status: int | None = None) -> None:
        super().__init__(why)
        self.answered, self.connected, self.status = answered, connected, status


@dataclass(frozen=True, slots=True)
class Vllm:
    """One server, asked through a client that others may share."""

    client: httpx2.AsyncClient
    url: str
    timeout_s: float = TIMEOUT_S
    """For one request, from its beginning to the end of its answer, in the time in which this process ran."""

    async def health(self) -> Probed:
        """Whether it answers /health: the cheapest question."""
        began = time.monotonic()
        try:
            await self._get("/health")
        except _Failed as failed:
            level = Level.ALIVE if failed.connected else None
            return Probed(self.url, failed.answered, level, str(failed))
        return Probed(self.url, answered=True, level=Level.HEALTH, took_ms=1000 * (time.monotonic() - began))

    async def look_on(self, seen: Probed, *, completion: bool = False) -> Probed:
        """From what `health` said on: every level up to the identity, or the completion; who it is; and its metrics,
        whatever the levels say."""
        if not seen.answered:
            return seen
        if seen.level is Level.HEALTH:
            seen = await self._identity(seen)
        if completion and seen.level is Level.IDENTITY and not seen.why:
            seen = await self._completion(seen, seen.models[0].id)
        version = await self._version()
        try:
            scrape = await self.metrics()
        except _Failed as failed:
            return replace(seen, version=version, no_metrics=str(failed))
        return replace(seen, version=version, scrapes=(scrape,), no_metrics="" if scrape.is_vllm else EMPTY_METRICS)

    async def metrics(self) -> Scrape:
        """One scrape. Raises _Failed."""
        at = time.monotonic()
        body = await self._get("/metrics")
        # Megabytes of text are parsed for a second: the other endpoints must not wait for it.
        return await asyncio.to_thread(parse, body.decode(errors="replace"), at)

    async def scrape_again(self, seen: Probed) -> Probed:
        """The same with one more scrape; a scrape that fails is told, and leaves the first."""
        try:
            return replace(seen, scrapes=(*seen.scrapes, await self.metrics()))
        except _Failed as failed:
            return replace(seen, notes=(*seen.notes, f"the second scrape failed: {failed}"))

    async def _identity(self, seen: Probed) -> Probed:
        """Who it is, on several fresh connections."""
        told = []
        for _ in range(FRESH_CONNECTIONS):
            try:
                told.append(_models(await self._get("/v1/models", fresh=True)))
            except _Failed as failed:
                return replace(seen, why=str(failed))
        listeners = tuple(", ".join(each.id for each in models) for models in told)
        seen = replace(seen, models=told[0], listeners=listeners)
        if len(set(listeners)) > 1:
            why = f"several servers share the port: they say that they serve {' and '.join(sorted(set(listeners)))}"
            return replace(seen, why=why)
        if not told[0]:
            return replace(seen, why="/v1/models: it serves nothing")
        return replace(seen, level=Level.IDENTITY)

    async def _completion(self, seen: Probed, model: str) -> Probed:
        """A real completion that must come back as a parsed tool call."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "Call report_ready with ready=true."}],
            "max_tokens": 400,
            "temperature": 0,
            "tools": [PROBE_TOOL],
        }
        try:
            raw = await self._request("POST", "/v1/chat/completions", body, timeout_s=COMPLETION_TIMEOUT_S)
            message = json.loads(raw)["choices"][0]["message"]
            calls = message.get("tool_calls")
        except _Failed as failed:
            return replace(seen, why=str(failed))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            return replace(seen, why=f"completion: unreadable answer ({error!r})")
        if not calls:
            return replace(seen, why="completion: answered, but not as a parsed tool call (tool-call parser?)")
        return replace(seen, level=Level.COMPLETION)

    async def _version(self) -> str:
        """What /version says; empty if it does not."""
        try:
            return str(json.loads(await self._get("/version"))["version"])[:100]
        except (_Failed, ValueError, KeyError, TypeError):
            return ""

    async def _get(self, path: str, *, fresh: bool = False) -> bytes:
        return await self._request("GET", path, fresh=fresh)

    async def _request(
        self, method: str, path: str, body: Any = None, *, fresh: bool = False, timeout_s: float = 0.0
    ) -> bytes:
        """One request within its time. Raises _Failed for anything but a 200, in words for a person."""
        limit_s = timeout_s or self.timeout_s
        # The connection has half of the time: so a black hole is told from a server that accepts and is silent.
        patience = Patience(limit_s, limit_s / 2)
        try:
            async with patience:
                return await self._read(method, path, body, fresh=fresh, patience=patience)
        except TimeoutError:
            if not patience.is_in_first:
                said = f"{path}: it accepts connections, and says nothing for {limit_s:g} s"
                raise _Failed(said, answered=False) from None
            said = (
                f"no answer within {limit_s / 2:g} s, not even to a connection: is the address right, the network open?"
            )
            if self.url.startswith("https:"):
                said += " does it speak TLS?"
            raise _Failed(said, answered=False, connected=False) from None
        except httpx2.ConnectError as error:
            raise _Failed(_not_connected(str(error), self.url), answered=False, connected=False) from None
        except httpx2.RequestError as error:
            raise _Failed(_broken(path, error, self.url), answered=False) from None
        except httpx2.InvalidURL as error:
            raise _Failed(f"not a URL: {error}", answered=False, connected=False) from None

    async def _read(self, method: str, path: str, body: Any, *, fresh: bool, patience: Patience) -> bytes:
        headers = {"Connection": "close"} if fresh else {}
        sent = None if body is None else json.dumps(body).encode()
        if sent is not None:
            headers["Content-Type"] = "application/json"

        async def trace(event: str, _: object) -> None:
            if event.startswith("http11."):  # the request is being sent, over a new connection or one that was there
                patience.got_on()

        request = self.client.build_request(
            method,
            self.url + path,
            content=sent,
            headers=headers,
            timeout=None,  # the library's would go on while we are stopped
            extensions={"trace": trace},
        )
        response = await self.client.send(request, stream=True)
        try:
            payload = b""
            async for piece in response.aiter_bytes():
                payload += piece
                if len(payload) >= BODY_LIMIT:
                    break
        finally:
            await response.aclose()
        if response.status_code != 200:
            raise _Failed(self._refused(path, response, payload), status=response.status_code)
        return payload

    def _refused(self, path: str, response: httpx2.Response, payload: bytes) -> str:
        """What an answer that is no 200 means."""
        status, said = response.status_code, " ".join(payload[:200].decode(errors="replace").split())
        if status == 401:
            keyed = "Authorization" in self.client.headers
            remedy = "it does not take the key that was sent" if keyed else "it wants an API key: --api-key-env NAME"
            return f"{path}: 401, {remedy}"
        if 300 <= status < 400:
            return f"{path}: redirects to {response.headers.get('location', 'nowhere')[:200]}: name that URL instead"
        if status == 503 and path == "/health":
            return "/health: 503, it is still loading, or its engine is dead"
        if status == 404:
            return f"{path}: 404, there is no such page: is this a vLLM server?"
        return f"{path}: HTTP {status} {said}".rstrip()


EMPTY_METRICS = "/metrics: answered, but nothing of vLLM's is in it"


def _models(body: bytes) -> tuple[ServedModel, ...]:
    """The answer of /v1/models. Raises _Failed."""
    try:
        entries = json.loads(body)["data"]
        return tuple(
            ServedModel(str(e["id"]), _whole(e.get("max_model_len")), str(e.get("root") or "")) for e in entries
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        said = "an empty answer" if not body.strip() else "an unreadable answer"
        raise _Failed(f"/v1/models: 200 with {said}: this is no vLLM server, or something stands before it") from None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _not_connected(said: str, url: str) -> str:
    """Why there is no connection."""
    lowered = said.lower()
    if "certificate" in lowered:
        return f"its TLS certificate is not trusted: {said}"
    if "ssl" in lowered or "tls" in lowered:
        return f"it does not speak TLS: try {url.replace('https://', 'http://', 1)}"
    if (
        "name or service" in lowered
        or "getaddrinfo" in lowered
        or "nodename" in lowered
        or "name resolution" in lowered
    ):
        return f"there is no host of the name {urlsplit(url).hostname}"
    if "all connection attempts failed" in lowered or "refused" in lowered:
        return "nothing listens there: the server does not run, or still starts"
    return f"no connection: {said}"


def _broken(path: str, error: httpx2.RequestError, url: str) -> str:
    """What an answer that is no HTTP, or that ends in the middle, means."""
    said = str(error) or type(error).__name__
    if url.startswith("http://") and isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError):
        return f"{path}: it does not answer in HTTP ({said}): if it speaks TLS, try https://"
    return f"{path}: {said}"
