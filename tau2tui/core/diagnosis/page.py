"""docs/diagnosis.md: the table of signatures for people, made from the data."""

from __future__ import annotations

from collections.abc import Iterator

from tau2tui.config import SignatureConfig
from tau2tui.core.diagnosis.table import shipped_signatures

_ACTS = {
    "change": "change a setting",
    "restart": "start again",
    "move": "another node",
    "wait": "wait",
    "retry": "tried again by itself",
    "ask": "a person",
}
_LOGS = {"server": "the server's log", "job": "SLURM's output", "evaluation": "the evaluation's logs"}


def markdown() -> str:
    """The whole page."""
    lines = ["# What `tau2tui diagnose` knows", "", *_INTRODUCTION.strip().splitlines(), ""]
    for signature in shipped_signatures():
        lines += _entry(signature)
    return "\n".join(lines).rstrip()


def _entry(signature: SignatureConfig) -> Iterator[str]:
    yield from (f"## {signature.id}", "")
    kind = "wrapper: the cause stands above it · " if signature.wrapper else ""
    yield f"*{kind}{_ACTS[signature.act]}* · {', '.join(_LOGS[log] for log in signature.applies)}"
    yield from ("", f"{signature.cause}. {signature.remedy}.", "")
    shown = [f"`` {text} ``" for text in (*signature.contains, *signature.matches)]
    yield f"- Shown by: {' · '.join(shown)}"
    if signature.at_least > 1:
        ready = ", once the server was ready" if signature.once_ready else ""
        yield f"- Only if {signature.at_least} lines of it are there{ready}"
    yield f"- Action: {_action(signature.action)}" + (
        f"; if a figure of it is not known: {_action(signature.otherwise)}" if signature.otherwise else ""
    )
    yield from (f"- Source: {'; '.join(signature.source)}", "")


def _action(action: tuple[str, ...] | str) -> str:
    return action if isinstance(action, str) else f"`{' '.join(action)}`"


_INTRODUCTION = """
`tau2tui diagnose` reads logs and says what failed, why, and what to do: of the run (each replica's latest attempt,
SLURM's output, the evaluation), or of any files and directories, `.gz` as well, `-` for stdin. `--json` prints a
list of findings with id, cause, remedy, action, file and line; the list of a healthy log is empty. The screen and
`tau2tui status` name the same for a replica that failed.

What ends a server comes first. Lines that only say that something failed, such as *Engine core initialization
failed. See root cause above*, are traced to the first exception above them, and are not named beside a known cause.
What a server says while it is being stopped is no finding, nor is what was logged as information, where it may
quote anything.

An action is a command of this program, shown as it can be typed; words in capitals (REPLICA, JOB, NODE) stand for
what the log does not say. Figures are computed from those that the log states: `gpu-memory-taken` proposes the
share of the GPU that was free. `--set args.NAME=VALUE` sets one argument of vLLM and leaves the expert's others.

More of them, in config.toml, one table each; one with the id of one below takes its place:

```toml
[diagnosis]
ignore = ["weights-load-slowly"]       # ids of what is not looked for

[[diagnosis.signature]]
id = "license-server-down"
matches = ['license server (?P<server>\\S+) did not answer']  # or contains = ["…"]
core = ["license server"]               # stands in every line that `matches` finds: makes the search fast
cause = "The license server {server} is down"
remedy = "Tell its administrators"
act = "ask"                             # change, restart, move, wait, retry, ask
action = "wait"                         # or a command: ["tau2tui", "relaunch", "{replica}"]
source = ["our cluster's notes"]
```

Further fields: `unless`, `applies`, `wrapper`, `fatal`, `info`, `once_ready`, `at_least`, `covers`, `otherwise`. A
regular expression is refused that repeats a group with repeats in it, or that has more than one `.*`; of a line
longer than 5 KiB the first 4 and the last one are looked at.

Some failures leave no line of their own. They are recognised by what stands beside them: two servers on one port by
what the node agent finds, changed sampling defaults by the versions that `tau2tui compare` names, a slow file
system by the pace of the loading bar, a full KV cache by a minute of such status lines, an orphan by `nvidia-smi`
in a job's output. SLURM's state OUT_OF_MEMORY and an exit code of 0:125 are one cause: the first is named.

This page is made by `tau2tui diagnose --signatures`.
"""
