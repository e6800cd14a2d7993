"""Front end 1: words. stdout is data, stderr is talk, exit codes are those of `tau2tui.errors`."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tau2tui.cli.completion import completion
from tau2tui.cli.diagnosis import diagnose
from tau2tui.cli.doctor import doctor
from tau2tui.cli.endpoint import endpoint
from tau2tui.cli.errors import errors
from tau2tui.cli.evaluate import drive, evaluate
from tau2tui.cli.examples import EXIT_CODES, epilog
from tau2tui.cli.exporter import exporter
from tau2tui.cli.fleet import launch, plan, relaunch, runs, status, stop, wait
from tau2tui.cli.history import history
from tau2tui.cli.hygiene import clean, gpus
from tau2tui.cli.load import load
from tau2tui.cli.looking import jobs, logs, sources
from tau2tui.cli.measuring import compare, latency
from tau2tui.cli.migration import import_
from tau2tui.cli.progress import progress
from tau2tui.cli.reporting import report
from tau2tui.cli.serve import serve
from tau2tui.cli.session import Session, harmless, on_screen, require_terminal
from tau2tui.cli.setup import demo, init
from tau2tui.cli.smoke import smoke
from tau2tui.cli.tunnel import tunnel
from tau2tui.config import DEFAULT_CONFIG
from tau2tui.errors import ConfigError, Tau2TuiError

if TYPE_CHECKING:
    from tau2tui.tui.app import Tau2App


class Words(click.Group):
    """The words in the order of an operator's day instead of the alphabet's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from tau2tui.version import described

        click.echo(f"tau2tui, version {described()}")
        ctx.exit()


@click.group(cls=Words, invoke_without_command=True, epilog=EXIT_CODES, context_settings={"max_content_width": 110})
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG, show_default=True, help="Settings."
)
@click.option("--run", "run_id", metavar="RUN", help="A run by its id, instead of the newest.")
@click.option("--read-only", is_flag=True, help="Look, but refuse everything that would change something.")
@click.option("--logs", type=click.Path(path_type=Path), help="Open a directory of logs, whoever wrote them.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version, and the commit of a checkout.",
)
@click.pass_context
def words(ctx: click.Context, config: Path, run_id: str | None, read_only: bool, logs: Path | None) -> None:
    """Operate tau2-bench evaluations of an orchestrator with vLLM experts on SLURM.

    Without a word it opens the full-screen app on the newest run; every key there has its word here.
    """
    ctx.obj = Session(config, run_id, read_only)
    if ctx.invoked_subcommand is None:
        open_screen(ctx.obj, logs)
    elif logs is not None:
        raise click.UsageError("--logs opens the full-screen app and takes no word")


for word in (
    init,
    import_,
    doctor,
    plan,
    launch,
    wait,
    status,
    jobs,
    sources,
    diagnose,
    relaunch,
    stop,
    gpus,
    clean,
    smoke,
    evaluate,
    progress,
    latency,
    errors,
    logs,
    report,
    compare,
    endpoint,
    history,
    load,
    tunnel,
    serve,
    exporter,
    runs,
    demo,
    completion,
    drive,
):
    if not word.hidden:
        word.epilog = epilog(str(word.name))
    words.add_command(word)


def open_screen(session: Session, logs: Path | None) -> None:
    """The full-screen app; Textual is loaded only here."""
    require_terminal("use a word: tau2tui status, tau2tui --help")
    if logs is not None and not logs.is_dir():
        raise ConfigError(f"{logs}: no such directory", "--logs takes a directory of log files")
    from tau2tui.core.diagnosis import table
    from tau2tui.remote.logfiles import DirectoryLogs

    async def show() -> int:
        if logs is not None:
            return await on_screen((await _app())(None, DirectoryLogs(logs), title=str(logs)))
        async with session.ops() as ops:
            table(ops.config.diagnosis)  # a wrong id in it is told here, before there is a screen
            looking = asyncio.create_task(ops.look())  # the answers come while Textual is loaded
            try:
                return await on_screen((await _app())(ops, ops.logs))
            finally:
                looking.cancel()

    raise click.exceptions.Exit(asyncio.run(show()))


async def _app() -> type[Tau2App]:
    """Load the screens in a thread: they take a third of a second."""
    module = await asyncio.to_thread(import_module, "tau2tui.tui.app")
    app: type[Tau2App] = module.Tau2App
    return app


def main() -> None:
    """The command `tau2tui`: a known error becomes one line on stderr and its exit code; a bug keeps its traceback."""
    try:
        status = words.main(standalone_mode=False, complete_var="_TAU2TUI_COMPLETE")
    except (click.exceptions.Abort, KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Tau2TuiError as error:
        print(f"tau2tui: {harmless(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    sys.exit(status if isinstance(status, int) else 0)
