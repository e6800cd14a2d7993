"""Words for a first meeting: `init` makes a configuration, `demo` rehearses a whole run on this machine."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from tau2tui import config as settings
from tau2tui.cli.evaluate import progress_line
from tau2tui.cli.session import Session, on_screen, put, require_terminal, run_async, say, tell
from tau2tui.errors import ConfigError, NothingToRead, Refused


@click.command()
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.pass_obj
def init(session: Session, force: bool) -> None:
    """Write a commented config.toml, to be changed."""
    path = session.config_file
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(shipped_config())
    except FileExistsError:
        raise Refused(f"{path} exists already", "replace it with --force, or name another with --config") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
    put(f"wrote {path}; next: change it, then `tau2tui plan`")


def shipped_config() -> str:
    """The text of the config.toml that comes with the package: inside it when installed, beside it in a checkout."""
    package = resources.files("tau2tui")
    inside = package.joinpath("config.toml")
    if inside.is_file():
        return inside.read_text(encoding="utf-8")
    return Path(str(package)).parent.joinpath("config.toml").read_text(encoding="utf-8")


@click.command()
@click.option("--headless", is_flag=True, help="Without a screen: progress lines, and an exit code that tells.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    default=Path("demo-runs"),
    show_default=True,
    help="Parent of the runs it makes.",
)
@click.option(
    "--num-tasks",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="At most so many tasks of each domain.",
)
@click.option(
    "--max-concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Simulations at once."
)
@click.pass_obj
def demo(session: Session, headless: bool, directory: Path, num_tasks: int, max_concurrency: int) -> None:
    """Rehearse a whole run on this machine.

    Without cluster or GPU: real tau2-bench tasks, played models.

    The fleet of the configuration (or the shipped one) is started by the local scheduler, proved ready, evaluated,
    watched and reported. Everything is stopped when it ends, or when you quit with q.
    """
    from tau2tui.demo import headless as without_screen
    from tau2tui.rehearsal.fleet import rehearsed

    if session.config_file.exists():
        config = session.config()
    else:
        config = settings.parse(shipped_config().encode(), "the shipped config.toml", {})
    config = rehearsed(config, directory.absolute(), num_tasks=num_tasks, max_concurrency=max_concurrency)
    report: Path | None
    if headless:
        report = run_async(lambda: without_screen(config, tell, say, lambda progress: say(progress_line(progress))))
    else:
        require_terminal("add --headless")
        report = run_async(lambda: _on_screen(config))
    if report is not None:
        put(f"report: {report}")


async def _on_screen(config: settings.Config) -> Path | None:
    """The rehearsal on the screen; returns its report, or None if it was left before there was anything to report."""
    from tau2tui.core.command import Launch, StartEval
    from tau2tui.demo import rehearsal_run
    from tau2tui.reporting import report_run
    from tau2tui.tui.app import Tau2App

    async with rehearsal_run(config, tell, say) as ops:
        await ops.look()
        app = Tau2App(
            ops,
            ops.logs,
            commands=(Launch(), StartEval(config.evaluation)),
            title="rehearsal",
            ends_with_us="the rehearsal fleet and its evaluation",
        )
        if status := await on_screen(app):
            raise click.exceptions.Exit(status)
        try:
            return (await report_run(ops)).report
        except NothingToRead:
            return None
