"""The word `smoke`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import click

from tau2tui.cli.evaluate import replaced
from tau2tui.cli.options import domains_option, dry_run_option, json_option, mode_option
from tau2tui.cli.session import Session, carry_out, put, put_json, run_async
from tau2tui.core.command import StartSmoke
from tau2tui.errors import CommandFailed, NothingToRead

if TYPE_CHECKING:
    from tau2tui.core.smoke import SmokeReport
    from tau2tui.ops import Ops


@click.command()
@domains_option
@mode_option
@click.option("--tasks", "smoke_tasks", type=click.IntRange(min=1), help="Tasks of each domain.")
@click.option("--last", is_flag=True, help="Show the report of the last one, and run nothing.")
@json_option
@dry_run_option
@click.pass_obj
def smoke(session: Session, /, last: bool, as_json: bool, dry_run: bool, **settings: Any) -> None:
    """Try everything on a few tasks before the full run.

    Some tasks of the mock domain and of each real one as configured, and some with each expert alone. Checks for every
    model: answers, tool calls parsed, tokens counted, no reasoning in what is said, context window; for every part that
    its tasks were evaluated; and which experts the agent called. Exits with 4 if something failed; what was not
    exercised is neither good nor bad. No result of the run is touched. `eval` does it by itself before a full run.
    """

    async def act() -> None:
        async with session.ops() as ops:
            await ops.look()
            if not last:
                evaluation = replaced(session.config().evaluation, settings)
                await carry_out(ops, ops.plan(StartSmoke(evaluation, uuid.uuid4().hex)), dry_run=dry_run)
                if dry_run:
                    return
            show(await _report(ops), as_json=as_json)

    run_async(act)


async def _report(ops: Ops) -> SmokeReport:
    report = await ops.smoke_report()
    if report is None:
        raise NothingToRead(f"run {ops.run.run_id} has no smoke test", "run one: tau2tui smoke")
    return report


def show(report: SmokeReport, *, as_json: bool) -> None:
    """Every check, one line each, what failed last. Raises CommandFailed unless it was passed."""
    from tau2tui.core.smoke import CheckResult, report_to

    if as_json:
        put_json(report_to(report))
    else:
        order = (CheckResult.PASSED, CheckResult.NOT_EXERCISED, CheckResult.FAILED)
        for check in sorted(report.checks, key=lambda check: order.index(check.result)):
            put(f"{check.result:<14} {check.check:<20} {check.subject:<16} {check.evidence}")
    counts = {result: sum(check.result is result for check in report.checks) for result in CheckResult}
    said = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    if not report.passed:
        state = "failed" if report.state == "finished" else f"is {report.state}, {report.why}"
        raise CommandFailed(f"the smoke test {state}: {said or 'nothing was checked'}", "the evidence is in eval/smoke")
    if not as_json:
        put(said)
