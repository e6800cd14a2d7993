"""The word `doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tau2tui.cli.options import json_option
from tau2tui.cli.session import Session, put, put_json, run_async, terminal_login
from tau2tui.errors import ConfigError

if TYPE_CHECKING:
    from tau2tui.config import Config
    from tau2tui.core.lint import Facts, Finding


@click.command()
@click.option("--strict", is_flag=True, help="Warnings are as fatal as errors.")
@click.option("--offline", is_flag=True, help="Ask nobody: judge the file, and what was remembered of vLLM.")
@click.option("--rules", is_flag=True, help="Print all rules, with reasons, remedies and sources, and look at nothing.")
@json_option
@click.pass_obj
def doctor(session: Session, strict: bool, offline: bool, rules: bool, as_json: bool) -> None:
    """Say what is wrong with the configuration, before a launch.

    Judges config.toml by itself and against the cluster: the options of the installed vLLM, checkpoints and templates,
    what SLURM says of the jobs (sbatch --test-only), room on the disks. Changes nothing. Exits with 2 if there is an
    error, with --strict also for a warning.
    """
    from tau2tui.core.lint import lint, markdown

    if rules:
        put(markdown())
        return

    written = session.config()
    config, facts = (written, remembered_facts(written)) if offline else run_async(lambda: ask(written))
    findings = lint(config, facts)
    if as_json:
        put_json(report_json(findings, facts))
    else:
        show_findings(findings, facts)
    refuse_if_fatal(findings, strict=strict)


def remembered_facts(config: Config) -> Facts:
    """What is known without asking anybody."""
    from tau2tui.remote.probe import default_cache, remembered

    return remembered(config, default_cache())


async def ask(config: Config) -> tuple[Config, Facts]:
    """Look at the cluster; the configuration comes back with its paths as they are there.

    Raises Unreachable, CommandFailed.
    """
    from tau2tui.remote.probe import default_cache, probe
    from tau2tui.remote.shell import open_shell

    async with open_shell(config.cluster, terminal_login()) as shell:
        there = config.at_home(await shell.home())
        return there, await probe(there, shell, default_cache())


def report_json(findings: Sequence[Finding], facts: Facts) -> dict[str, Any]:
    """The same for programs; `null` where nobody was asked."""
    return {
        "findings": [asdict(finding) for finding in findings],
        "asked": facts.host or None,
        "vllm": facts.vllm_version or None,
    }


def show_findings(findings: Sequence[Finding], facts: Facts) -> None:
    """The same for people: one line for each finding, its remedy below, and a summary."""
    for finding in findings:
        put(f"{finding.severity:<8} {finding.rule:<22} {finding.where}: {finding.message}")
        put(f"{'':<31} → {finding.remedy}")
    counts = Counter(finding.severity for finding in findings)
    said = ", ".join(f"{count} × {severity}" for severity, count in counts.items()) or "nothing to say"
    asked = f"asked {facts.host}" if facts.host else "nobody was asked"
    version = f"vLLM {facts.vllm_version}" if facts.vllm_version else "vLLM's version not known"
    put(f"{said} ({asked}; {version})")


def refuse_if_fatal(findings: Sequence[Finding], *, strict: bool) -> None:
    """Raises ConfigError if there is an error, or with `strict` a warning."""
    from tau2tui.core.lint import Severity

    fatal = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
    rules = dict.fromkeys(finding.rule for finding in findings if finding.severity in fatal)
    if rules:
        raise ConfigError(f"the configuration has {', '.join(rules)}", "mend it as said above")
