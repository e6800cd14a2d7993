"""The word `endpoint`: one server by itself, or all of a run, asked from here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tau2tui.cli.options import json_option
from tau2tui.cli.session import Session, api_key, put, put_json, run_async, say
from tau2tui.core.model import Level
from tau2tui.core.printable import one_line
from tau2tui.errors import CommandFailed, Unreachable

if TYPE_CHECKING:
    from tau2tui.core.endpoint import Probed
    from tau2tui.core.metrics.window import Window

NOT_REPORTED = "not reported"


@click.command()
@click.argument("url", required=False)
@click.option("--all", "whole_run", is_flag=True, help="Every replica of the run that serves, instead of one URL.")
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, help="Between two scrapes."
)
@click.option("--probe", is_flag=True, help="Ask for a real completion, with a tool call, as well.")
@click.option(
    "--api-key-env",
    metavar="NAME",
    help="The environment variable with the server's API key; none is sent unless said.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1, 600),
    default=5.0,
    show_default=True,
    help="Seconds for one request.",
)
@json_option
@click.pass_obj
def endpoint(
    session: Session,
    url: str | None,
    whole_run: bool,
    seconds: float,
    probe: bool,
    api_key_env: str | None,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Look at one server by itself.

    Without run or configuration: how far it is ready, level by level, who it is, and what /metrics says now and over
    some seconds. With --all the servers of the run, a few at a time, from a laptop through the login node. Exits with 3
    if one did not answer, with 4 if one answered and is not ready.
    """
    if whole_run == (url is not None):
        raise click.UsageError("name a URL, or --all")
    key = api_key(api_key_env) if api_key_env else ""
    from tau2tui.ops.probing import looks, probe_run
    from tau2tui.remote.vllm import endpoint_url

    async def look() -> dict[str, Probed]:
        if url is not None:
            root = endpoint_url(url)
            return {each.url: each async for each in looks([root], key, seconds, timeout_s, probe=probe)}
        async with session.ops() as ops:
            await ops.look()
            return await probe_run(ops, None, key, seconds, timeout_s, probe=probe, tell=say)

    found = run_async(look)
    if as_json:
        reports = {name: report(each) for name, each in found.items()}
        put_json({"endpoints": reports, "models": _by_model(found)} if whole_run else next(iter(reports.values())))
    else:
        for name, each in found.items():
            for line in _row(name, each) if whole_run else _lines(each):
                put(line)
        for model, told in _by_model(found).items() if whole_run else ():
            put(one_line(_model_line(model, told)))
    raise click.exceptions.Exit(_status(found.values()))


def _status(found: Iterable[Probed]) -> int:
    found = tuple(found)
    if not all(each.answered for each in found):
        return Unreachable.exit_code
    return 0 if all(each.ready for each in found) else CommandFailed.exit_code


def report(found: Probed) -> dict[str, Any]:
    """One endpoint for a program; `null` is not reported, never zero."""
    from tau2tui.core.endpoint import now_figures, window_figures

    window = _window(found)
    return {
        "url": found.url,
        "answered": found.answered,
        "ready": found.ready,
        "level": found.level,
        "why": found.why,
        "health_ms": found.took_ms,
        "version": found.version or None,
        "models": [asdict(model) for model in found.models],
        "listeners": list(found.listeners),
        "no_metrics": found.no_metrics or None,
        "now": now_figures(found.scrapes[-1]) if found.scrapes else None,
        "window": window_figures(window) if window else None,
        "notes": list(found.notes),
    }


def _window(found: Probed) -> Window | None:
    from tau2tui.core.metrics.window import between

    return between(found.scrapes[0], found.scrapes[-1]) if len(found.scrapes) > 1 else None


def _by_model(found: Mapping[str, Probed]) -> dict[str, dict[str, Any]]:
    """What the servers of each model did together: everything added up before a quantile is taken."""
    from tau2tui.core.endpoint import window_figures
    from tau2tui.core.metrics.window import beside

    windows: dict[str, list[Window]] = {}
    for each in found.values():
        if each.models and (window := _window(each)) is not None:
            windows.setdefault(each.models[0].id, []).append(window)
    pooled = {model: (len(several), beside(several)) for model, several in windows.items()}
    return {model: {"servers": n, **window_figures(window)} for model, (n, window) in pooled.items() if window}


def _model_line(model: str, told: Mapping[str, Any]) -> str:
    times = told["e2e"] or {}
    quantiles = (f"{q} {times[f'{q}_s']:.3g} s" for q in ("p50", "p99") if times.get(f"{q}_s") is not None)
    servers = f"{told['servers']} server{'' if told['servers'] == 1 else 's'}"
    rates = f"{_number(told['generation_tokens_s'])} tokens/s, {_number(told['requests_s'])} requests/s"
    return ", ".join((f"{model}: {servers} over {told['seconds']:.1f} s: {rates}", *quantiles))


def _row(name: str, found: Probed) -> Iterator[str]:
    """One line of many."""
    from tau2tui.core.endpoint import now_figures

    load = ""
    if found.scrapes:
        now = now_figures(found.scrapes[-1])
        load = f"running {_number(now['running'])}, waiting {_number(now['waiting'])}, KV {_share(now['kv_cache'])}"
    level = found.level or "no answer"
    yield one_line("  ".join(filter(None, (f"{name:<20}", f"{level:<10}", load, found.why, *found.notes)))).rstrip()


def _lines(found: Probed) -> Iterator[str]:
    """One server for people."""
    levels = list(Level)
    reached = levels.index(found.level) + 1 if found.level else 0
    yield one_line(f"{found.url}  {'ready' if found.ready else 'not ready' if found.answered else 'no answer'}")
    marks = (f"{'+' if place < reached else '-'} {level}" for place, level in enumerate(levels))
    yield "  levels      " + "  ".join(marks)
    if found.why:
        yield one_line(f"  why         {found.why}")
    if not found.answered:
        return
    for model in found.models:
        length = f", up to {model.max_model_len} tokens" if model.max_model_len else ""
        yield one_line(f"  model       {model.id}{length}{f', from {model.root}' if model.root else ''}")
    if found.listeners:
        same = len(set(found.listeners)) == 1
        yield f"  identity    {'the same' if same else 'not the same'} on {len(found.listeners)} fresh connections"
    yield one_line(f"  version     {found.version or NOT_REPORTED}")
    if found.no_metrics:
        yield one_line(f"  metrics     {found.no_metrics}")
    else:
        yield from _metric_lines(found)
    for note in found.notes:
        yield one_line(f"  note        {note}")


def _metric_lines(found: Probed) -> Iterator[str]:
    from tau2tui.core.endpoint import TIMES, now_figures, window_figures

    now = now_figures(found.scrapes[-1])
    reasons = f" ({_counts(now['waiting_by_reason'])})" if now["waiting"] and now["waiting_by_reason"] else ""
    waiting = f"{_number(now['waiting'])}{reasons}"
    yield f"  now         running {_number(now['running'])}, waiting {waiting}, KV cache {_share(now['kv_cache'])}"
    yield (
        f"  so far      {_number(now['prompt_tokens'])} prompt tokens, {_number(now['generation_tokens'])} generated, "
        f"{_counts(now['finished'])}, preemptions {_number(now['preemptions'])}"
    )
    window = _window(found)
    if window is None:
        return
    told = window_figures(window)
    restarted = ", restarted meanwhile" if window.restarted else ""
    yield (
        f"  over {window.seconds:.1f} s  {_number(told['prompt_tokens_s'])} prompt tokens/s, "
        f"{_number(told['generation_tokens_s'])} generated/s, {_number(told['requests_s'])} requests/s{restarted}"
    )
    yield (
        f"              prefix hits {_share(told['prefix_hit_share'])}, preemptions/min "
        f"{_number(told['preemptions_per_min'])}, drafts accepted {_share(told['acceptance'])}, "
        f"responses {_counts(told['http'])}"
    )
    for quantity, words in TIMES:
        times = told[quantity.value]
        if times is None:
            yield f"  {words:<20} {NOT_REPORTED}"
        elif times["count"]:
            parts = (
                f"{q} {'>' if f'{q}_s' in times['beyond'] else ''}{times[f'{q}_s']:.3g} s"
                for q in ("p50", "p90", "p99")
            )
            yield f"  {words:<20} {'  '.join(parts)}  mean {times['mean_s']:.3g} s  of {times['count']:.0f}"
        else:
            yield f"  {words:<20} none in these seconds"


def _number(value: float | None) -> str:
    return NOT_REPORTED if value is None else f"{value:.10g}" if value == int(value) else f"{value:.2f}"


def _share(value: float | None) -> str:
    return NOT_REPORTED if value is None else f"{value:.0%}"


def _counts(counts: Mapping[str, float] | None) -> str:
    if counts is None:
        return NOT_REPORTED
    return one_line(", ".join(f"{name} {_number(count)}" for name, count in counts.items() if count)) or "none"
