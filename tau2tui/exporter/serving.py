"""The metrics over HTTP, while the run is observed at its own pace: a scrape asks nobody but this program."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tau2tui.core.model import Reading
from tau2tui.errors import CommandFailed, ConfigError
from tau2tui.exporter.families import Seen, SourceSeen, families
from tau2tui.ops.sight import BACKOFF_LIMIT_S, Sight

if TYPE_CHECKING:
    from prometheus_client import Metric

_ANSWER_S = 10.0
"""Prometheus' own default time-out of a scrape."""
_MISSED = 3
"""A source that has not been read for so many of its intervals is stale, or for as long as calm and failure slow it
down to."""
_LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]*):(?P<port>\d{1,5})")


def seen_by(ops: Sight) -> Seen:
    """What Ops has seen last. Of the loop that observes: the store is not made for threads."""
    snapshot, poll = ops.snapshot, ops.config.poll
    patience_s = {
        "jobs": BACKOFF_LIMIT_S + _MISSED * poll.jobs_s,
        "run": max(BACKOFF_LIMIT_S, _MISSED * poll.run_s),
    }
    readings: dict[str, Reading[Any]] = {"jobs": snapshot.jobs, "run": snapshot.run}
    sources: dict[str, SourceSeen] = {
        part: SourceSeen(readings[part], patience_s[part], asked.asked, asked.failed)
        for part, asked in ops.polls.items()
    }
    return Seen(ops.run.run_id, ops.config.cluster.scheduler, ops.clock(), snapshot, ops.verdicts(), sources)


class RunCollector:
    """What the library asks for at each scrape, from a thread of its own; the event loop answers."""

    def __init__(self, look: Callable[[], Seen], loop: asyncio.AbstractEventLoop) -> None:
        self._look = look
        self._loop = loop

    def describe(self) -> Iterable[Metric]:
        """Nothing: it is known only while there is a loop that can be asked."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Raises TimeoutError if the loop does not answer: the scrape fails then, and nothing old is told."""

        async def look() -> Seen:
            return self._look()

        return families(asyncio.run_coroutine_threadsafe(look(), self._loop).result(_ANSWER_S))


@contextmanager
def serving(collector: RunCollector, host: str, port: int) -> Iterator[int]:
    """Answer scrapes until the end of the block; gives the port. Raises CommandFailed if it cannot be listened on."""
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise CommandFailed(
            f"cannot listen on {host}:{port}: {error.strerror or error}", "--listen HOST:PORT"
        ) from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[IPv6]:PORT` or `:PORT`, which is all addresses. Raises ConfigError."""
    found = _LISTEN.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ConfigError(f"{text!r} is not HOST:PORT", "such as 127.0.0.1:9105")
    return found["host"].strip("[]") or "0.0.0.0", int(found["port"])  # noqa: S104 - what `:PORT` means everywhere


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
