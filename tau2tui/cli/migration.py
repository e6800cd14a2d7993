"""The word `import`: from somebody's own scripts and logs to a configuration and a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tau2tui.cli.options import dry_run_option, json_option
from tau2tui.cli.session import Session, put, put_json, say
from tau2tui.errors import ConfigError, Refused

if TYPE_CHECKING:
    from tau2tui.migration.plan import Import


@click.command("import")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Directory for config.toml and runs/; made if it is not there. Without it: the current one.",
)
@click.option(
    "--agent", metavar="MODEL", help="The model that plays the agent, if model_config_oss.json does not tell."
)
@click.option(
    "--define",
    "definitions",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable that the scripts take from outside.",
)
@click.option("--copy", is_flag=True, help="Copy logs and results into the run instead of linking to them.")
@dry_run_option
@json_option
@click.pass_obj
def import_(
    session: Session,
    paths: tuple[Path, ...],
    into: Path,
    agent: str | None,
    definitions: tuple[str, ...],
    copy: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take over node scripts, endpoints, logs and outputs.

    PATHS are scripts that start `vllm serve`, model_config_oss.json, directories of logs and of outputs, or
    directories that hold these; without any, the current one. Scripts are read and never run.

    Writes a commented config.toml, and if there are logs or outputs a run that can be opened; every line that was not
    taken over is listed. Nothing that is there is overwritten, and the same import again changes nothing.
    """
    from tau2tui.migration.plan import carry_out, plan_import

    plan = plan_import(
        paths or (Path(),), into, run_id=session.run_id, agent=agent, defined=dict(map(_definition, definitions))
    )
    if session.read_only and not dry_run:
        raise Refused("read-only: nothing was written", "add --dry-run, or leave --read-only out")
    new = () if dry_run else carry_out(plan, copy=copy)
    if as_json:
        put_json(_as_json(plan, new, dry_run=dry_run))
        return
    if dry_run:
        put(plan.config_text)
    for entry in plan.left:
        if entry.kind == "left":
            say(f"not taken over: {entry.where}: {entry.text}  – {entry.why}")
    if replaced := sum(entry.kind == "replaced" for entry in plan.left):
        say(f"{replaced} lines are done in another way: see the end of {plan.config_file.name}")
    _tell(plan, new, dry_run=dry_run)


def _definition(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise ConfigError(f"--define {text}: not NAME=VALUE", "for example --define REPO_PATH=/data/repo")
    return name, value


def _tell(plan: Import, new: tuple[Path, ...], *, dry_run: bool) -> None:
    if dry_run:
        put(f"would write {plan.config_file}, and {len(plan.written) + len(plan.taken)} files of a run")
        return
    put(f"wrote {plan.config_file}" if plan.config_file in new else f"{plan.config_file} is as it was")
    if plan.run_directory is not None:
        put(f"run {plan.run_directory.name}: {len([path for path in new if path != plan.config_file])} new files")
    where = f"-c {plan.config_file} " if plan.config_file.parent != Path().absolute() else ""
    put(
        f"next: tau2tui {where}doctor"
        + (f"; tau2tui {where}--run {plan.run_directory.name}" if plan.run_directory else "")
    )


def _as_json(plan: Import, new: tuple[Path, ...], *, dry_run: bool) -> dict[str, Any]:
    return {
        "config": str(plan.config_file),
        "run": plan.run_directory.name if plan.run_directory else None,
        "run_directory": str(plan.run_directory) if plan.run_directory else None,
        "experts": {
            name: {
                "model": expert.model,
                "role": expert.role,
                "node": expert.nodes,
                "gpus": expert.gpus,
                "ports": expert.ports,
                "replicas": expert.replicas,
                "tensor_parallel": expert.tensor_parallel,
            }
            for name, expert in plan.config.experts.items()
        },
        "dry_run": dry_run,
        "written": [str(path) for path in new],
        "left": [
            {"file": one.file, "line": one.line, "text": one.text, "why": one.why, "kind": one.kind}
            for one in plan.left
        ],
    }
