"""Front end 1: words. stdout is data, stderr is talk, exit codes are those of `tau2tui.errors`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tau2tui.cli.examples import ROOT_EPILOG, epilog
from tau2tui.cli.session import Session, on_screen, require_terminal, run_async
from tau2tui.core.printable import harmless
from tau2tui.defaults import CONFIG_FILE
from tau2tui.errors import ConfigError, Tau2TuiError

if TYPE_CHECKING:
    from tau2tui.tui.app import Tau2App


WORDS = {
    "init": "setup",
    "import": "migration",
    "doctor": "doctor",
    "plan": "fleet",
    "launch": "fleet",
    "wait": "status",
    "status": "status",
    "jobs": "looking",
    "sources": "looking",
    "diagnose": "diagnosis",
    "relaunch": "fleet",
    "stop": "fleet",
    "gpus": "hygiene",
    "clean": "hygiene",
    "smoke": "smoke",
    "eval": "evaluate",
    "progress": "progress",
    "latency": "measuring",
    "errors": "errors",
    "logs": "looking",
    "report": "reporting",
    "compare": "measuring",
    "endpoint": "endpoint",
    "history": "history",
    "load": "load",
    "tunnel": "tunnel",
    "serve": "serve",
    "exporter": "exporter",
    "runs": "status",
    "demo": "setup",
    "completion": "completion",
    "drive": "evaluate",
}
"""The words in the order of an operator's day, and the module of this package that has each."""
_NAMES = {"import": "import_", "eval": "evaluate"}
"""What a word's function is called, where Python keeps the word for itself."""


_GARBAGE_AFTER = 50_000
"""New objects after which Python looks for garbage: nearly all that a word makes in its first third of a second are
modules, and stay. A tenth of that time went to looking among them again and again."""


class Words(click.Group):
    """The words, each loaded when it is used: the screen needs none of them, and starts a third sooner without."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(WORDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return word(cmd_name) if cmd_name in WORDS else None

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _reader_may_go():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_go():
            return super().invoke(ctx)


@contextmanager
def _reader_may_go() -> Iterator[None]:
    """End with 141 when the reader of our output has gone (`| head`); click would make 1 of it, the code of a bug."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody is left to tell
        raise click.exceptions.Exit(141) from None


def word(name: str) -> click.Command:
    """The command behind a word, its help with examples. Raises KeyError for a word that there is not."""
    command: click.Command = getattr(import_module(f"tau2tui.cli.{WORDS[name]}"), _NAMES.get(name, name))
    if not command.hidden:
        command.epilog = epilog(name)
    return command


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from tau2tui.version import described

        click.echo(f"tau2tui, version {described()}")
        ctx.exit()


@click.group(cls=Words, invoke_without_command=True, epilog=ROOT_EPILOG, context_settings={"max_content_width": 110})
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default=CONFIG_FILE,
    show_default=True,
    help="The configuration.",
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


def open_screen(session: Session, logs: Path | None) -> None:
    """The full-screen app; Textual is loaded only here."""
    require_terminal("use a word: tau2tui status, tau2tui --help")
    if logs is not None and not logs.is_dir():
        raise ConfigError(f"{logs}: no such directory", "--logs takes a directory of log files")
    import asyncio

    from tau2tui.config import DiagnosisConfig
    from tau2tui.remote.logfiles import DirectoryLogs

    gc.disable()  # until the screen has settled: what is loaded now stays

    async def show() -> int:
        if logs is not None:
            return await on_screen((await _app())(None, DirectoryLogs(logs), title=str(logs)))
        async with session.ops() as ops:
            if ops.config.diagnosis != DiagnosisConfig():
                from tau2tui.core.diagnosis import table

                table(ops.config.diagnosis)  # a wrong id in it is told here, before there is a screen
            looking = asyncio.create_task(ops.look())  # the answers come while Textual is loaded
            try:
                return await on_screen((await _app())(ops, ops.logs))
            finally:
                looking.cancel()

    raise click.exceptions.Exit(run_async(show))


async def _app() -> type[Tau2App]:
    """Load the screens in a thread: they take a third of a second."""
    import asyncio

    module = await asyncio.to_thread(import_module, "tau2tui.tui.app")
    app: type[Tau2App] = module.Tau2App
    return app


def main() -> None:
    """The command `tau2tui`: a known error becomes one line on stderr and its exit code; a bug keeps its traceback."""
    gc.set_threshold(_GARBAGE_AFTER)
    try:
        status = words.main(standalone_mode=False, complete_var="_TAU2TUI_COMPLETE")
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Tau2TuiError as error:
        print(f"tau2tui: {harmless(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        gc.freeze()  # else Python looks for garbage in all of it twice more, before the system takes everything
    sys.exit(status if isinstance(status, int) else 0)
