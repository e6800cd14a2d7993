"""An example or more for each word, for the end of its `--help` and for the page of words; a test parses each."""

from __future__ import annotations

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
    "runs": ("tau2tui runs",),
    "demo": ("tau2tui demo", "tau2tui demo --headless --num-tasks 10 --max-concurrency 8"),
    "completion": ("tau2tui completion bash",),
}

EXIT_CODES = """\b
Exit codes: 0 done · 1 a bug, with a traceback · 2 configuration or usage
· 3 a machine or the scheduler did not answer · 4 a command or the
evaluation failed · 5 refused, nothing was changed · 6 waited in vain
· 7 nothing to read · 130 interrupted
"""


def epilog(word: str) -> str:
    """What stands below the options of a word."""
    examples = "\n".join(["\b", "Examples:", *(f"  {line}" for line in EXAMPLES[word])])
    return f"{examples}\n\n{EXIT_CODES}"
