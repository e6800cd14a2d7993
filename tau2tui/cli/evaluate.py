"""Words for the evaluation: `eval` starts, follows and steers it; `drive` is the process itself."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from tau2tui.cli.options import domains_option, dry_run_option, json_option, mode_option, yes_option
from tau2tui.cli.session import Session, carry_out, put_json, run_async, say
from tau2tui.config import EvaluationConfig, Split
from tau2tui.core.command import StartEval, SteerEval
from tau2tui.core.eta import time_left
from tau2tui.defaults import DOMAINS
from tau2tui.errors import ConfigError

if TYPE_CHECKING:
    from tau2tui.core.durations import Durations
    from tau2tui.core.model import EvalProgress, TimeLeft


@click.command("eval")
@domains_option
@click.option("--num-tasks", type=click.IntRange(min=1), help="At most so many tasks of each domain.")
@click.option("--task-ids", multiple=True, metavar="DOMAIN/ID", help="Exactly this task; may be repeated.")
@click.option("--split", type=click.Choice(get_args(Split)), help="tau2's split of each domain's tasks.")
@click.option("--schedule", type=click.Choice(("per-domain", "global")), help="Domains one by one, or mixed.")
@click.option("--trials", type=click.IntRange(min=1), help="Times that each task is run.")
@click.option("--max-concurrency", type=click.IntRange(1, 512), help="Simulations at once.")
@mode_option
@click.option("--seed", type=int, help="Of the simulations, instead of the one configured.")
@click.option("--budget-usd", type=click.FloatRange(min=0, min_open=True), help="Pause when so much is spent.")
@click.option("--budget-tokens", type=click.IntRange(min=1), help="The same in input and output tokens.")
@click.option("--as-job", is_flag=True, help="Run it as a job of its own, not on the login node.")
@click.option(
    "--smoke/--no-smoke", "smoke_first", default=None, help="Begin with a smoke test, whatever is run; or with none."
)
@click.option("--detach", is_flag=True, help="Return when it runs, instead of following it to its end.")
@click.option("--follow", is_flag=True, help="Follow the evaluation that runs already.")
@click.option("--pause", "steer", flag_value="pause", help="Begin no more simulations.")
@click.option("--resume", "steer", flag_value="resume", help="Go on.")
@click.option("--stop", "steer", flag_value="stop", help="End it now; what was in flight is run again by the next.")
@click.option("--gently", is_flag=True, help="With --stop: start nothing new, and let what runs come to its end.")
@click.option("--skip", metavar="DOMAIN/ID#TRIAL", help="Give up one simulation that is stuck; the next start runs it.")
@click.option("--concurrency", type=click.IntRange(1, 512), help="Change how many run at once, now.")
@json_option
@dry_run_option
@yes_option
@click.pass_obj
def evaluate(
    session: Session,
    /,
    smoke_first: bool | None,
    detach: bool,
    follow: bool,
    steer: str | None,
    gently: bool,
    skip: str | None,
    concurrency: int | None,
    budget_usd: float | None,
    budget_tokens: int | None,
    task_ids: tuple[str, ...],
    as_job: bool,
    as_json: bool,
    dry_run: bool,
    yes: bool,
    **settings: Any,
) -> None:
    """Run tau2-bench against the fleet.

    What was finished before is not run again. The evaluation is a process of its own on the login node, or a job: it
    goes on when this word or the screen ends. Before it runs a whole domain, a smoke test must be passed. Options
    replace those of [evaluation] in the configuration. Exits with 4 if a unit ended in an error. With --resume a budget
    is raised before it goes on.
    """
    if gently and steer != "stop":
        raise click.UsageError("--gently needs --stop")
    budget = {"usd": budget_usd, "tokens": budget_tokens}
    steering = _steering("finish" if gently else steer, skip, concurrency, budget)
    if as_job:
        settings["where"] = "job"
    if task_ids:
        settings |= _tasks(task_ids, settings["domains"])

    async def act() -> None:
        from tau2tui.ops.waiting import refuse_unfinished

        async with session.ops() as ops:
            await ops.look()
            said = {None: None, True: "always", False: "never"}[smoke_first]
            start = StartEval(replaced(session.config().evaluation, {**settings, "smoke": said}, budget))
            for command in () if follow else steering or (start,):
                await carry_out(ops, ops.plan(command), dry_run=dry_run, yes=yes)
            if dry_run or detach or (steering and not follow):
                return
            last = await ops.follow_eval(EvalTeller(await ops.earlier()))
            if as_json:
                from dataclasses import asdict

                put_json(asdict(last))
            refuse_unfinished(last)

    run_async(act)


def _steering(
    verb: str | None, skip: str | None, concurrency: int | None, budget: Mapping[str, float | None]
) -> tuple[SteerEval, ...]:
    """What is asked of the evaluation that runs, in order; nothing: one is to be started, with its budget."""
    requests = [SteerEval("skip", skip)] if skip else []
    if concurrency is not None:
        requests.append(SteerEval("concurrency", concurrency))
    if verb is not None:
        requests += [SteerEval(f"budget_{unit}", limit) for unit, limit in budget.items() if limit is not None]
        requests.append(SteerEval(verb))
    return tuple(requests)


def _tasks(named: tuple[str, ...], domains: tuple[str, ...]) -> dict[str, Any]:
    """The settings that DOMAIN/ID pairs mean: the tasks, and their domains unless others are said too."""
    tasks: dict[str, list[str]] = {}
    for name in named:
        domain, slash, task_id = name.partition("/")
        if not slash or domain not in DOMAINS:
            raise click.UsageError(f"--task-ids takes DOMAIN/ID such as retail/17, not {name!r}")
        tasks.setdefault(domain, []).append(task_id)
    return {"tasks": tasks, "domains": domains or tuple(tasks)}


def replaced(
    evaluation: EvaluationConfig, settings: dict[str, Any], budget: Mapping[str, float | None] | None = None
) -> EvaluationConfig:
    """The configured evaluation with what was said on the command line, checked like the file itself."""
    from pydantic import ValidationError

    said = {key: value for key, value in settings.items() if value not in (None, ())}
    limits = {unit: limit for unit, limit in (budget or {}).items() if limit is not None}
    configured = evaluation.model_dump()
    try:
        return EvaluationConfig.model_validate(
            {**configured, **said, "budget": {**configured["budget"], **limits}},
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"--{'-'.join(str(part) for part in first['loc'])}: {first['msg']}") from None


class EvalTeller:
    """One line whenever the count of finished units changes, what it says of itself, or a unit stalls."""

    def __init__(self, earlier: Durations = ()) -> None:
        """`earlier`: durations of earlier runs."""
        self.told: object = None
        self._earlier = earlier

    def __call__(self, progress: EvalProgress) -> None:
        stalled = [unit.name for unit in progress.running if unit.stalled]
        news = (progress.finished, progress.state, progress.why, stalled)
        if news == self.told and not progress.state.over:
            return
        self.told = news
        say(progress_line(progress, self._earlier))
        for line in trouble_lines(progress):
            say(line)


def progress_line(progress: EvalProgress, earlier: Durations = ()) -> str:
    """State, counts, pass rate so far and time left in one line. `earlier`: durations of earlier runs."""
    if not progress.total:
        return f"evaluation {progress.state}" + (f": {progress.why}" if progress.why else "")
    state = f"{progress.state} ({progress.why})" if progress.why and not progress.state.over else str(progress.state)
    parts = [f"evaluation {state}: {progress.finished}/{progress.total}"]
    if progress.evaluated:
        parts.append(f"passed {progress.passed}/{progress.evaluated}")
    if progress.lost:
        parts.append(f"errors {progress.lost}")
    left = None if progress.state.over else time_left(progress, earlier)
    if left is not None:
        parts.append(time_left_words(left))
    return ", ".join(parts)


def time_left_words(left: TimeLeft) -> str:
    """The median, and the interval of 80 % in brackets."""
    low, middle, high = (timedelta(seconds=round(value)) for value in (left.low_s, left.middle_s, left.high_s))
    return f"ETA {middle} ({low}–{high})"


def trouble_lines(progress: EvalProgress, clock: float | None = None) -> list[str]:
    """The simulations that are stalled, one line each. `clock`: of the machine that looked, in Unix seconds."""
    now = progress.updated_at if clock is None else clock
    return [
        f"stalled: {unit.name} waits for {unit.waits_for} for {timedelta(seconds=round(now - unit.last_event_at))} "
        f"after {unit.steps} steps; tau2tui eval --skip {shlex.quote(unit.name)} gives it up"
        for unit in progress.running
        if unit.stalled
    ]


def account_lines(progress: EvalProgress) -> list[str]:
    """Which failures are kept and which are run again, and what it cost, as far as there is any of it."""
    lines = []
    if progress.evaluated > progress.passed:
        own = {reason: count for reason, count in progress.terminations.items() if not reason.endswith("_stop")}
        lines.append(f"kept without full reward: {progress.evaluated - progress.passed}{_in_brackets(own)}")
    if progress.unit_errors:
        lines.append(f"to be run again: {sum(progress.unit_errors.values())}{_in_brackets(progress.unit_errors)}")
    if progress.budget_counts or progress.cost_usd:
        lines.append(f"cost ${sum(progress.cost_usd.values()):.2f}, {sum(progress.tokens.values())} tokens")
    for limit, spent, form in (
        (progress.budget_usd, progress.spent_usd, "${:.2f}"),
        (progress.budget_tokens, progress.spent_tokens, "{} tokens"),
    ):
        if limit is not None:
            counted = ", ".join(progress.budget_counts) or "nothing"
            lines.append(f"budget {form.format(spent)} of {form.format(limit)} (counts {counted})")
    return lines


def _in_brackets(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} {count}' for name, count in sorted(counts.items()))})" if counts else ""


@click.command(hidden=True)
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--smoke", is_flag=True, help="Run the smoke test that was asked for, instead of the evaluation.")
def drive(run_dir: Path, smoke: bool) -> None:
    """The evaluation itself, in this process: what `eval` and `smoke` start on the login node."""
    from tau2tui.evaluation.__main__ import main

    raise click.exceptions.Exit(main([str(run_dir), *(["--smoke"] if smoke else [])]))
