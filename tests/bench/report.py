"""What a report costs with its charts and without, and what the errors cost beside the parsing of the same logs."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from tau2tui.analysis.errors.budget import error_budget
from tau2tui.analysis.report import write_report
from tau2tui.analysis.scan import find_logs, read_logs
from tau2tui.reporting import side_of_directory

HEAD = """\
| what (medians of CPU seconds) | figure | over |
|---|--:|--:|"""
SHAPE = {"retail": (56, 16), "telecom": (72, 30), "airline": (34, 14)}
"""Domain → tasks of the published run, and tools."""
EXPERTS = ("openai/gpt-oss-20b", "Qwen/Qwen3-32B-FP8", "Qwen/Qwen3-Next-80B-A3B-Instruct-FP8")
_STEPS = 22


def make_run(directory: Path, seed: int = 1) -> Path:
    """Logs in the shape of the published run: 162 tasks, about as many calls, every tool called."""
    made = random.Random(seed)
    now = datetime.fromisoformat("2025-12-30 17:32:15")
    markers = []
    for domain, (tasks, tools) in SHAPE.items():
        lines = []
        for task in range(tasks):
            for step in range(_STEPS):
                now += timedelta(seconds=made.uniform(0, 2))
                head = f"{now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03d} task={task} thread=1"
                took = [f"duration_ms={made.lognormvariate(mean, 1):.2f}" for mean in (8.3, 7.5, 1.0, 9.0)]
                lines += [f"[PROFILE] {head} type=llm_call step={step} model=/ckpt/agent call_type=vllm {took[0]}"]
                lines += [f"[PROFILE] {head} type=expert_call model={made.choice(EXPERTS)} call_type=vllm {took[1]}"]
                lines += [
                    f"[PROFILE] {head} type=tool_call function=tool_{made.randrange(tools)} step={step} {took[2]}"
                ]
                lines += [f"[USER_JUDGE] {head} type=user_sim model=gpt-5 call_type=openai {took[3]}"]
            markers.append(f"[TAU2_TASK_COMPLETE] domain={domain} trial=0 task_id={task} status=ok")
        (directory / f"tau2_{domain}.log").write_text("\n".join(lines) + "\n")
    (directory / "fullrun.log").write_text("\n".join(markers) + "\n")
    return directory


def measure(directory: Path, rounds: int) -> list[str]:
    """Rows of the table; the rounds of what is compared take turns."""
    run, out = make_run(directory), directory / "out"
    side = side_of_directory(run, None)
    files = find_logs([run])
    now = datetime.fromisoformat("2026-01-02 03:04:05")

    def report(*, charts: bool) -> object:
        return write_report(side, out, sla_ms=5000.0, now=now, charts=charts)

    timed: dict[str, Callable[[], object]] = {
        "read": lambda: read_logs(files),
        "errors": lambda: error_budget(files, side.logs),
        "report": lambda: report(charts=True),
        "no charts": lambda: report(charts=False),
    }
    took: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name, work in timed.items():
            began = time.process_time()
            work()
            took[name].append(time.process_time() - began)
    median = {name: statistics.median(seconds) for name, seconds in took.items()}
    charts = len(write_report(side, out, sla_ms=5000.0, now=now).charts)
    tasks, tools = (sum(counts) for counts in zip(*SHAPE.values(), strict=True))
    without = f"{median['report'] / median['no charts']:.2f} × without"
    parsing = f"{median['errors'] / median['read']:.2f} × parsing them"
    return [
        f"| report of {tasks} tasks and {tools} tools: {charts} charts | {median['report']:.2f} s | {without} |",
        f"| errors of the same logs | {median['errors']:.3f} s | {parsing} |",
    ]
