"""What stands at the end of each `--help`: examples, each parsed by a test, exit codes, and where settings are from."""

from __future__ import annotations

import textwrap

EXAMPLES: dict[str, tuple[str, ...]] = {
    "init": ("tau2tui init", "tau2tui --config large.toml init"),
    "import": ("tau2tui import --into ~/tau2tui-eval", "tau2tui import oss_eval_node1.sh logs_oss_full --dry-run"),
    "doctor": ("tau2tui doctor", "tau2tui doctor --offline --strict"),
    "plan": ("tau2tui plan", "tau2tui plan --offline --json"),
    "launch": ("tau2tui launch --dry-run", "tau2tui --run nightly launch --no-wait --exclude gpu07"),
    "wait": ("tau2tui wait", "tau2tui wait --for done --timeout 86400"),
    "status": ("tau2tui status", "tau2tui --run nightly status --json"),
    "jobs": ("tau2tui jobs",),
    "sources": ("tau2tui sources",),
    "diagnose": ("tau2tui diagnose", "tau2tui diagnose ~/evaluation/logs --json"),
    "relaunch": (
        "tau2tui relaunch expert-1-2",
        "tau2tui relaunch --failed --yes",
        "tau2tui relaunch expert-3-0 --set gpu_memory_utilization=0.88 --save",
        "tau2tui relaunch --job oss_eval_node2 --exclude gpu07",
        "tau2tui relaunch --hand-over",
    ),
    "stop": ("tau2tui stop --dry-run", "tau2tui stop expert-1-2", "tau2tui stop --job oss_eval_node2 --yes"),
    "gpus": ("tau2tui gpus", "tau2tui gpus gpu07 --via ssh", "tau2tui gpus --dirty"),
    "clean": ("tau2tui clean --dry-run", "tau2tui clean gpu07 --yes"),
    "smoke": ("tau2tui smoke", "tau2tui smoke --domain mock --tasks 1", "tau2tui smoke --last --json"),
    "eval": (
        "tau2tui eval --detach",
        "tau2tui eval --domain retail --trials 4 --max-concurrency 64",
        "tau2tui eval --task-ids retail/17 --no-smoke",
        "tau2tui eval --stop --gently",
    ),
    "progress": ("tau2tui progress", 'tau2tui progress logs_oss_full --now "2025-12-30 18:00:00"'),
    "latency": ("tau2tui latency", "tau2tui latency logs_oss_full --series orchestrator --metric prefill --by domain"),
    "errors": ("tau2tui errors", "tau2tui errors logs_oss_full --last-min 15 --domain retail"),
    "logs": ("tau2tui logs", "tau2tui logs expert-1-2 --lines 100", "tau2tui logs logs/fullrun.log --follow"),
    "report": ("tau2tui report", "tau2tui report logs_oss_full --out report --csv"),
    "compare": ("tau2tui compare 20251230-1732 20251231-0900", "tau2tui compare before/ after/ --out ."),
    "endpoint": ("tau2tui endpoint gpu07:1910 --probe", "tau2tui endpoint --all --json"),
    "history": ("tau2tui history expert-1 --metric kv_cache --since 2h", "tau2tui history --at 03:10"),
    "load": ("tau2tui load expert-1 --sweep 1,2,4,8,16", "tau2tui load http://10.0.0.7:1900 --rate 4 --seconds 120"),
    "tunnel": ("tau2tui tunnel",),
    "serve": ("tau2tui serve", "tau2tui --read-only serve --port 9000"),
    "exporter": ("tau2tui exporter", "tau2tui exporter --listen 10.0.0.1:9105"),
    "runs": ("tau2tui runs", "tau2tui runs --json"),
    "demo": ("tau2tui demo", "tau2tui demo --headless --num-tasks 10 --max-concurrency 8"),
    "completion": ("tau2tui completion bash",),
}

EXIT_CODES = """\b
Exit codes: 0 done · 1 a bug, with a traceback · 2 configuration or usage
· 3 a machine or the scheduler did not answer · 4 a command or the
evaluation failed · 5 refused, nothing was changed · 6 waited in vain
· 7 nothing to read · 130 interrupted
· 141 nobody reads the output any more, as with `| head`
"""


CONFIGURATION = (
    "config.toml in the current directory, or what --config names; `tau2tui init` writes one. A run keeps what it was "
    "launched with, in its run.toml: of the configuration only [cluster], [poll], [screen], [notices] and [keys] hold "
    "for a run that is there. Logs can be looked at without a configuration."
)
"""Which settings a word goes by."""

ENVIRONMENT = {
    "VLLM_API_KEY": "the key of the fleet's servers, in the environment of the jobs, of eval and of load",
    "OPENAI_API_KEY": "the key of the user simulator, or the variable that evaluation.user.api_key_env names",
    "NO_COLOR": "no colours, on the screens and in charts",
    "TAU2TUI_WEB_TOKEN": "the token of `serve`, instead of one that is made",
    "TMUX": "set by tmux: notices, copies and shells reach its windows",
    "XDG_CACHE_HOME": "parent of what is kept to be quick, by default ~/.cache",
    "XDG_STATE_HOME": "parent of what the screens remember, and of reports of bugs, by default ~/.local/state",
}
"""The variables that count, besides those that paths of the configuration name as $VAR."""


def _paragraph(head: str, text: str) -> str:
    return "\n".join(["\b", *textwrap.wrap(f"{head}: {text}", 74, break_on_hyphens=False)])


def _environment() -> str:
    width = max(map(len, ENVIRONMENT)) + 4
    lines = ["\b", "Environment:"]
    for name, what in ENVIRONMENT.items():
        lines += textwrap.wrap(
            what, 74, initial_indent=f"  {name}".ljust(width), subsequent_indent=" " * width, break_on_hyphens=False
        )
    return "\n".join(lines)


ROOT_EPILOG = "\n\n".join((_paragraph("Configuration", CONFIGURATION), _environment(), EXIT_CODES))
"""What stands below the words."""


def epilog(word: str) -> str:
    """What stands below the options of a word."""
    examples = "\n".join(["\b", "Examples:", *(f"  {line}" for line in EXAMPLES[word])])
    return f"{examples}\n\n{EXIT_CODES}"
