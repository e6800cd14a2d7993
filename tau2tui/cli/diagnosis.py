"""The word `diagnose`: what failed, why, and what to do, from any log."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

import click

from tau2tui.cli.options import json_option
from tau2tui.cli.session import Session, put, put_json, run_async, say
from tau2tui.config import DiagnosisConfig
from tau2tui.errors import Unreachable

if TYPE_CHECKING:
    from tau2tui.core.diagnosis import Finding
    from tau2tui.remote.diagnosis import Diagnosis

_WIDTHS = (60, 110)
_INDENT = " " * 8


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--signatures", is_flag=True, help="Print all that is looked for, with causes and sources, and look at nothing."
)
@json_option
@click.pass_obj
def diagnose(session: Session, paths: tuple[str, ...], signatures: bool, as_json: bool) -> None:
    """Say what failed, why, and what to do.

    In the logs at PATHs: files, directories, `.gz` as well, `-` for stdin. Without PATH in those of the run: each
    replica's latest attempt, SLURM's output, the evaluation. --json is a list of
    findings, [] for a healthy log. Exits with 3 if a log could not be read to its end.
    """
    from tau2tui.core.diagnosis import markdown, table
    from tau2tui.remote.diagnosis import diagnose_paths, diagnose_run

    if signatures:
        put(markdown())
        return
    config = session.known_config()
    known = table(config.diagnosis if config else DiagnosisConfig())

    async def of_run() -> Diagnosis:
        async with session.ops() as ops:
            await ops.look()
            run = ops.snapshot.run.value
            return await diagnose_run(ops.logs, run.replicas if run else (), known, str(ops.run.path))

    diagnosis = diagnose_paths(paths, known) if paths else run_async(of_run)
    for line in diagnosis.unread:
        say(f"not read to its end: {line}")
    if as_json:
        put_json([finding.to_json() for finding in diagnosis.findings])
    else:
        width = min(max(shutil.get_terminal_size((80, 24)).columns, _WIDTHS[0]), _WIDTHS[1])
        blocks = [block(finding, width) for finding in diagnosis.findings]
        logs = "1 log" if diagnosis.files == 1 else f"{diagnosis.files} logs"
        put("\n\n".join(blocks) or f"nothing found in {logs}")
    raise click.exceptions.Exit(Unreachable.exit_code if diagnosis.unread else 0)


def block(finding: Finding, width: int) -> str:
    """One finding for people; the command stays in one line, so that it can be copied."""
    where = finding.replica or finding.job or finding.node
    seen = f"{finding.file or 'stdin'}:{finding.line}" + (
        f" (and {finding.count - 1} more)" if finding.count > 1 else ""
    )
    return "\n".join(
        (
            f"{finding.id}  {where}".rstrip(),
            *_wrapped("why", finding.cause, width),
            *_wrapped("remedy", finding.remedy, width),
            f"{'do':<8}{finding.action}",
            f"{'seen':<8}{seen}",
            *_wrapped("", finding.text, width),
        )
    )


def _wrapped(head: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=f"{head:<8}", subsequent_indent=_INDENT, break_on_hyphens=False, max_lines=6
    )
