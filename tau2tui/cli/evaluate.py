"""Words for the evaluation: `eval` starts, follows and steers it; `drive` is the process itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tau2tui.cli.session import Session, carry_out, dry_run_option, json_option, put_json, run_async, say, yes_option
from tau2tui.config import DOMAINS, EvaluationConfig
from tau2tui.core.command import EVAL_VERBS, StartEval, SteerEval
from tau2tui.core.eta import time_left
from tau2tui.errors import CommandFailed, ConfigError

if TYPE_CHECKING:
    from tau2tui.core.model import EvalProgress


@click.command("eval")
@click.option("-d", "--domain", "domains", multiple=True, type=click.Choice(DOMAINS), help="May be repeated.")
@click.option("--num-tasks", type=click.IntRange(min=1), help="At most so many tasks of each domain.")
@click.option("--trials", type=click.IntRange(min=1), help="Times that each task is run.")
@click.option("--max-concurrency", type=click.IntRange(1, 512), help="Simulations at once.")
@click.option("--mode", metavar="MODE", help="experts, solo, or always:EXPERT.")
@click.option("--seed", type=int)
@click.option(
    "--smoke/--no-smoke", "smoke_first", default=None, help="Begin with a smoke test, whatever is run; or with none."
)
@click.option("--detach", is_flag=True, help="Return when it runs, instead of following it to its end.")
@click.option("--follow", is_flag=True, help="Follow the evaluation that runs already.")
@click.option("--pause", "steer", flag_value="pause", help="Begin no more simulations.")
@click.option("--resume", "steer", flag_value="resume", help="Go on.")
@click.option("--stop", "steer", flag_value="stop", help="End it now; what was in flight is run again by the next.")
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
    concurrency: int | None,
    as_json: bool,
    dry_run: bool,
    yes: bool,
    **settings: Any,
) -> None:
    """Run tau2-bench against the fleet.

    What was finished before is not run again. The evaluation is a process of its own on the login node: it goes on
    when this word or the screen ends. Before it runs a whole domain, a smoke test must be passed. Options replace those
    of [evaluation] in the configuration. Exits with 4 if a unit ended in an error.
    """

    async def act() -> None:
        async with session.ops() as ops:
            await ops.look()
            if steer or concurrency is not None:
                command: StartEval | SteerEval = SteerEval(steer or EVAL_VERBS[-1], concurrency)
            else:
                said = {None: None, True: "always", False: "never"}[smoke_first]
                command = StartEval(replaced(session.config().evaluation, {**settings, "smoke": said}))
            if not follow:
                await carry_out(ops, ops.plan(command), dry_run=dry_run, yes=yes)
            if dry_run or detach or (isinstance(command, SteerEval) and not follow):
                return
            last = await ops.follow_eval(_Teller())
            if as_json:
                from dataclasses import asdict

                put_json(asdict(last))
            judge_end(last)

    run_async(act)


def judge_end(last: EvalProgress) -> None:
    """Raise CommandFailed unless every unit was evaluated."""
    if last.state == "failed":
        raise CommandFailed(f"the evaluation failed: {last.why}")
    errors = sum(domain.errors for domain in last.domains)
    if errors or last.finished < last.total:
        raise CommandFailed(
            f"evaluation {last.state}: {last.finished}/{last.total} units, {errors} ended in errors",
            "tau2tui eval runs again what is missing",
        )


def replaced(evaluation: EvaluationConfig, settings: dict[str, Any]) -> EvaluationConfig:
    """The configured evaluation with what was said on the command line, checked like the file itself."""
    from pydantic import ValidationError

    said = {key: value for key, value in settings.items() if value not in (None, ())}
    try:
        return EvaluationConfig.model_validate({**evaluation.model_dump(), **said})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"--{'-'.join(str(part) for part in first['loc'])}: {first['msg']}") from None


class _Teller:
    """One line whenever the count of finished units changes, or what it says of itself."""

    def __init__(self) -> None:
        self.told = (-1, "")

    def __call__(self, progress: EvalProgress) -> None:
        told = (progress.finished, progress.why)
        if told == self.told and not progress.state.over:
            return
        self.told = told
        say(progress_line(progress))


def progress_line(progress: EvalProgress) -> str:
    """State, counts, pass rate so far and time left in one line."""
    passed = sum(domain.passed for domain in progress.domains)
    evaluated = sum(domain.ok for domain in progress.domains)
    if not progress.total:
        return f"evaluation {progress.state}" + (f": {progress.why}" if progress.why else "")
    parts = [f"evaluation {progress.state}: {progress.finished}/{progress.total}"]
    if evaluated:
        parts.append(f"passed {passed}/{evaluated}")
    if errors := sum(domain.errors for domain in progress.domains):
        parts.append(f"errors {errors}")
    left = time_left(progress)
    if left is not None and not progress.state.over:
        low, middle, high = (timedelta(seconds=round(value)) for value in (left.low_s, left.middle_s, left.high_s))
        parts.append(f"ETA {middle} ({low}–{high})")
    return ", ".join(parts)


@click.command(hidden=True)
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--smoke", is_flag=True)
def drive(run_dir: Path, smoke: bool) -> None:
    """The evaluation itself, in this process: what `eval` and `smoke` start on the login node."""
    from tau2tui.evaluation.__main__ import main

    raise click.exceptions.Exit(main([str(run_dir), *(["--smoke"] if smoke else [])]))
