"""What is wrong with a configuration before it is submitted: rules as data, checked against what is known.

`lint(config)` judges the file alone; with the `Facts` of `remote.probe` also against the cluster it is meant for.
Overlapping GPUs and ports are no matter of rules: such a file is refused when it is read.
"""

from __future__ import annotations

from tau2tui.config import Config
from tau2tui.core.lint import cluster, command_line, models, secrecy, serving, tools
from tau2tui.core.lint.facts import NOTHING_KNOWN, Facts
from tau2tui.core.lint.rule import Finding, Rule, Severity

__all__ = ["RULES", "Facts", "Finding", "Rule", "Severity", "lint", "markdown"]

RULES: tuple[Rule, ...] = (
    *command_line.RULES,
    *tools.RULES,
    *models.RULES,
    *serving.RULES,
    *cluster.RULES,
    *secrecy.RULES,
)


def lint(config: Config, facts: Facts = NOTHING_KNOWN) -> tuple[Finding, ...]:
    """All findings, the gravest first, then in the order of the rules. What is not known gives none."""
    findings = [
        Finding(
            rule.id, trouble.severity or rule.severity, trouble.where, trouble.message, trouble.remedy or rule.remedy
        )
        for rule in RULES
        if config.serve.engine == "vllm" or not rule.vllm_only
        for trouble in rule.check(config, facts)
    ]
    order = list(Severity)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))


def markdown() -> str:
    """docs/lint.md: every rule with its reason, remedy and source."""
    lines = ["# What `tau2tui doctor` looks for", "", *_INTRODUCTION.strip().splitlines(), ""]
    for rule in RULES:
        only = " · not for rehearsals" if rule.vllm_only else ""
        lines += [f"## {rule.id}", "", f"*{rule.severity}*{only}", "", rule.reason, ""]
        lines += [f"- Remedy: {rule.remedy}", f"- Source: {rule.source}", ""]
    return "\n".join(lines).rstrip()


_INTRODUCTION = """
`tau2tui doctor` judges config.toml before anything is submitted, and asks the cluster, once, what only it can know:
the options of the installed vLLM, what `sbatch --test-only` says, which checkpoints and templates are there, how much
room is left. It changes nothing. `plan` and `launch` look for the same.

An *error* is refused by vLLM or SLURM, or can never do what it is for; a *warning* will probably go wrong; an *info*
is worth knowing. The severity that stands here is the gravest of a rule: where it is not certain, the finding is
milder, and what is not known is not judged at all. `--strict` makes warnings as fatal as errors (exit code 2);
`--offline` asks nobody.

Overlapping GPUs and ports are not in this list: such a file is refused when it is read, with both sides named.

This page is made by `tau2tui doctor --rules`.
"""
