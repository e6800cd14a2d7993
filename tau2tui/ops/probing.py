"""The servers of a run, asked from here: level by level, and for their metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence

from tau2tui.core.endpoint import Probed
from tau2tui.core.model import Phase
from tau2tui.errors import NothingToRead, Unreachable
from tau2tui.ops.sight import Sight

_ASKED = (Phase.SERVING, Phase.READY, Phase.DEGRADED, Phase.DRAINING)


async def looks(
    urls: Sequence[str], key: str, seconds: float, timeout_s: float, *, probe: bool
) -> AsyncIterator[Probed]:
    """Everything of each server as it comes, with a second scrape some seconds after the first."""
    from tau2tui.remote.sweep import Sweep
    from tau2tui.remote.vllm import Vllm, http_client

    async with http_client(
        tls=any(url.startswith("https:") for url in urls), api_key=key, timeout_s=timeout_s
    ) as client:

        async def again(found: Probed) -> Probed:
            if not found.scrapes or found.no_metrics:
                return found
            await asyncio.sleep(seconds)
            return await Vllm(client, found.url, timeout_s).scrape_again(found)

        # Each has its second scrape in its own time: who is silent holds up nobody.
        waiting: set[asyncio.Task[Probed]] = set()
        try:
            async for found in Sweep(client, timeout_s).once(urls, whole=True, completion=probe):
                waiting.add(asyncio.create_task(again(found)))
                done = {task for task in waiting if task.done()}
                waiting -= done
                for task in done:
                    yield task.result()
            for finished in asyncio.as_completed(tuple(waiting)):
                yield await finished
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


async def probe_run(
    seen: Sight,
    names: Collection[str] | None,
    key: str,
    seconds: float,
    timeout_s: float,
    *,
    probe: bool,
    tell: Callable[[str], None],
) -> dict[str, Probed]:
    """The servers of these replicas, or of all, by replica; those that do not serve are told, and not asked.

    From a laptop through tunnels. Raises NothingToRead if none serves, Unreachable if the run was not read.
    """
    from tau2tui.remote.ssh import SshShell
    from tau2tui.remote.tunnel import LOCAL_HOST, Tunnels

    run = seen.snapshot.run.value
    if run is None:
        raise Unreachable(f"the run was not read: {seen.snapshot.run.error}")
    meant = [each for each in run.replicas if names is None or each.name in names]
    serving = [each for each in meant if each.phase in _ASKED and each.address]
    for each in meant:
        if each not in serving:
            tell(f"{each.name}: {each.phase}, not asked")
    if not serving:
        raise NothingToRead(f"no replica of {seen.run.run_id} serves", "see `tau2tui status`")
    urls = {each.name: each.url for each in serving}
    if isinstance(seen.shell, SshShell):
        tunnels = Tunnels(seen.shell)
        await tunnels.update(serving)
        urls = {each.replica: f"http://{LOCAL_HOST}:{each.local_port}" for each in tunnels.open}
    found = {each.url: each async for each in looks(list(urls.values()), key, seconds, timeout_s, probe=probe)}
    return {name: found[url] for name, url in urls.items()}
