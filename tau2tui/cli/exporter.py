"""The word `exporter`."""

from __future__ import annotations

import asyncio

import click

from tau2tui.cli.session import Session, run_async, say

DEFAULT_LISTEN = "127.0.0.1:9105"


@click.command()
@click.option(
    "--listen",
    default=DEFAULT_LISTEN,
    show_default=True,
    metavar="HOST:PORT",
    help="Where to answer; :PORT is everywhere.",
)
@click.pass_obj
def exporter(session: Session, listen: str) -> None:
    """Expose the run to Prometheus.

    Fleet, jobs, evaluation and errors as metrics at http://HOST:PORT/metrics, until ctrl+c. The run is observed at the
    pace of [poll], however often it is scraped; a scrape changes nothing and asks the cluster nothing. What is not
    known is absent, never 0. See docs/exporter.md, with a dashboard and alert rules beside it.
    """
    from tau2tui.exporter.serving import RunCollector, is_loopback, listen_address, seen_by, serving

    host, port = listen_address(listen)
    if not is_loopback(host):
        say(f"{host} is not this machine alone: whoever reaches the port can read the run, there is no password")

    async def serve() -> None:
        async with session.ops() as ops:
            await ops.look()
            collector = RunCollector(lambda: seen_by(ops), asyncio.get_running_loop())
            with serving(collector, host, port) as bound:
                shown = f"[{host}]" if ":" in host else host
                say(f"run {ops.run.run_id}: http://{shown}:{bound}/metrics; ctrl+c ends it")
                await ops.observe()

    run_async(serve)
