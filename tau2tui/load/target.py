"""What a load is on: the ready replicas of an expert, or one URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tau2tui.core.driver import driver_runs
from tau2tui.core.model import Replica, RunState
from tau2tui.core.verdict import Standing
from tau2tui.errors import ConfigError, Refused, Unreachable
from tau2tui.evaluation.faults import CallError
from tau2tui.evaluation.routing import endpoint_of
from tau2tui.load.generator import Endpoint
from tau2tui.load.measuring import Target, no_answer
from tau2tui.remote.vllm import endpoint_url

if TYPE_CHECKING:
    from tau2tui.load.client import LoadClient
    from tau2tui.ops import Ops

FORCE = "wait for its end, or --force: both will be slower, and what is measured is the two of them"


def is_url(text: str) -> bool:
    """Whether this is a URL rather than the name of an expert."""
    return text.startswith(("http://", "https://"))


def url_endpoint(url: str) -> Endpoint:
    """The server at a URL; without a path it is the API's `/v1`. Raises ConfigError."""
    root = endpoint_url(url)
    path = urlsplit(root).path
    return Endpoint(url.rstrip("/"), root if path and not url.rstrip("/").endswith("/v1") else f"{root}/v1")


async def url_target(client: LoadClient, url: str, model: str | None) -> Target:
    """The server at a URL, with the model that it serves if none is named.

    Raises ConfigError, Unreachable, CommandFailed if it does not say.
    """
    endpoint = url_endpoint(url)
    if model is None:
        target = Target(endpoint.name, "", (endpoint,))
        try:
            served = await client.models(endpoint.url)
        except CallError as error:
            raise no_answer(target, error.kind, error.message, 1) from None
        if not served:
            raise ConfigError(f"{endpoint.url} serves no model", "name one: --model")
        model = served[0]
    return Target(endpoint.name, model, (endpoint,))


def refuse_while_evaluated(run: RunState | None, error: str, run_id: str) -> None:
    """Raise Refused if an evaluation of the run is going on, Unreachable if nobody knows."""
    if run is None or error:
        raise Unreachable(f"run {run_id}: whether an evaluation is going on is not known: {error}", "or --force")
    if run.evaluation is not None and driver_runs(run):
        raise Refused(f"the evaluation of run {run_id} is {run.evaluation.state}", FORCE)


@asynccontextmanager
async def expert_target(ops: Ops, expert: str, model: str | None, *, force: bool) -> AsyncIterator[Target]:
    """The ready replicas of an expert of the run that was looked at; from elsewhere through the login node.

    Raises ConfigError for an expert that does not exist, Refused if none is ready or an evaluation is going on.
    """
    if expert not in ops.config.experts:
        raise ConfigError(f"no expert {expert!r}", f"known: {', '.join(ops.config.experts)}; or a URL with http://")
    if not force:
        refuse_while_evaluated(ops.snapshot.run.value, ops.snapshot.run.error, ops.run.run_id)
    ready = [
        verdict.seen
        for verdict in ops.verdicts()
        if verdict.wanted.expert == expert and verdict.standing is Standing.READY and verdict.seen is not None
    ]
    if not ready:
        raise Refused(f"no replica of {expert} is ready", "tau2tui status says why")
    async with _reached(ops, ready) as endpoints:
        yield Target(expert, model or ops.config.experts[expert].model, tuple(endpoints))


@asynccontextmanager
async def _reached(ops: Ops, replicas: Iterable[Replica]) -> AsyncIterator[list[Endpoint]]:
    """Where the replicas answer, seen from this machine."""
    from tau2tui.remote.ssh import SshShell

    if not isinstance(ops.shell, SshShell):
        yield [Endpoint(found.replica, found.url) for found in map(endpoint_of, replicas)]
        return
    from tau2tui.remote.tunnel import LOCAL_HOST, Tunnels

    tunnels = Tunnels(ops.shell)
    await tunnels.update(replicas)
    yield [Endpoint(one.replica, f"http://{LOCAL_HOST}:{one.local_port}/v1") for one in tunnels.open]
    await tunnels.update(())
