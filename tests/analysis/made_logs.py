"""Logs with everything that real ones have, written together with the truth about them.

The truth never comes from parsing: each line is made from the values that are noted down.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tau2tui.analysis.frames import EVENTS

AGENT = "/ckpt/nvidia/Nemotron-Orchestrator-8B"
EXPERTS = ("openai/gpt-oss-20b", "Qwen/Qwen3-32B-FP8", "Qwen/Qwen3-Next-80B-A3B-Instruct-FP8")
TASKS = {
    "retail": ("0", "17", "retail_001"),
    "telecom": (
        "[mms_issue]airplane_mode_on|bad_network_preference[PERSONA:None]",
        '[service issue] it\'s "off" | a=b',
        "[mobile:data]x",
    ),
}
HARMONY = 'openai.APIError: unexpected tokens remaining in message header: Some("commentary")'
PREFIX = "[tau2/cli.py STDERR] "


@dataclass
class Truth:
    """What the logs hold, each record once."""

    events: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[tuple[str, int, str, str]] = field(default_factory=list)
    etas: list[tuple[int, int, float, float]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    skipped_profile_lines: int = 0
    skipped_markers: int = 0

    def event_frame(self) -> pl.DataFrame:
        return pl.DataFrame(self.events, schema=EVENTS)


class LogMaker:
    """Writes `tau2_<domain>.log` and a `fullrun.log` that holds copies of most of their lines."""

    def __init__(self, seed: int, *, shuffled: bool = True) -> None:
        """With `shuffled` the keys of a line stand in any order, else in that of the writers."""
        self.random = random.Random(seed)
        self._shuffled = shuffled
        self.truth = Truth()
        self._now = datetime.fromisoformat("2025-12-30 17:32:15")
        self._done: Counter[str] = Counter()
        self._full: list[bytes] = []
        self._own: dict[str, list[bytes]] = {domain: [] for domain in TASKS}

    def write(self, directory: Path, records: int) -> list[Path]:
        """Make that many records and the noise between them; the files, `fullrun.log` first."""
        for _ in range(records):
            self._record(self.random.choice(tuple(TASKS)))
        files = {"fullrun.log": self._full} | {f"tau2_{domain}.log": lines for domain, lines in self._own.items()}
        for name, lines in files.items():
            (directory / name).write_bytes(b"".join(lines))
        return [directory / name for name in files]

    def _record(self, domain: str) -> None:
        choice = self.random.random()
        if choice < 0.6:
            self._event(domain)
        elif choice < 0.7:
            self._torn(domain)
        elif choice < 0.75:
            self._marker(domain)
        elif choice < 0.78:
            self._eta()
        elif choice < 0.85:
            self._error(domain)
        else:
            self._put(domain, self.random.choice(tuple(_noise())))

    def _event(self, domain: str) -> None:
        line, event = self.profile_line(domain)
        self.truth.events.append(event)
        self._put(domain, line.encode())

    def _torn(self, domain: str) -> None:
        """A line that was cut before its duration, alone or with the next line behind it."""
        line, _ = self.profile_line(domain)
        head = line[: self.random.randrange(line.index("] ") + 3, line.index("duration_ms="))].rstrip()
        self.truth.skipped_profile_lines += 1
        if self.random.random() < 0.5:
            self._put(domain, head.encode())
            return
        line, event = self.profile_line(domain)
        self.truth.events.append(event)
        self._put(domain, f"{head}{self.random.choice(('', PREFIX))}{line}".encode())

    def profile_line(self, domain: str) -> tuple[str, dict[str, Any]]:
        """A line as one of the writers writes it, and the row of EVENTS that it is."""
        event: dict[str, Any] = {
            "at": self._tick(),
            "level": "PROFILE",
            "domain": domain,
            "task_id": self.random.choice(TASKS[domain]),
            "thread": self.random.randrange(10**15),
            "type": self.random.choice(
                ("llm_call", "llm_call", "expert_call", "tool_call", "step_complete", "user_sim")
            ),
            "error": False,
        }
        event |= self._values(event["type"])
        if event["type"] == "user_sim":
            event["level"] = "USER_JUDGE"
        pairs = [f"{key}={value}" for key, value in self._written(event)]
        if self._shuffled:
            self.random.shuffle(pairs)
        else:
            pairs.sort(key=_place)
        stamp = f"{event['at']:%Y-%m-%d %H:%M:%S}.{event['at'].microsecond // 1000:03d}"
        head = f"[{event['level']}] {stamp} task={event['task_id']} thread={event['thread']} type={event['type']}"
        return " ".join([head, *pairs]), event

    def _values(self, kind: str) -> dict[str, Any]:
        values: dict[str, Any] = {"duration_ms": self._latency()}
        if kind != "user_sim":
            values["step"] = self.random.randrange(40)
        if kind == "llm_call":
            values |= {"model": AGENT, "call_type": "vllm", "has_tool_calls": self.random.random() < 0.5}
        if kind == "expert_call":
            values |= {"model": self.random.choice(EXPERTS), "call_type": "vllm", "expert": "expert-1"}
        if kind == "user_sim":
            values |= {"model": "gpt-5", "call_type": "openai"}
        if kind == "tool_call":
            values |= {"function": "get_order_details", "call_type": "local_function"}
            values["error"] = self.random.random() < 0.1
        if kind == "step_complete":
            values |= {"from_role": "agent", "to_role": self.random.choice(("env", "user"))}
        if kind in ("llm_call", "expert_call") and self.random.random() < 0.7:
            values |= {"prefill_ms": self._latency(), "decode_ms": self._latency(), "replica": "expert-1-0"}
            values |= {"input_tokens": self.random.randrange(20_000), "output_tokens": self.random.randrange(900)}
        return values

    def _written(self, event: dict[str, Any]) -> Iterator[tuple[str, object]]:
        """The pairs as one of the writers spells them, and one that nobody knows."""
        old = self.random.random() < 0.5
        spelling = {
            "prefill_ms": "toolorchestra_vllm_prefill_ms",
            "decode_ms": "toolorchestra_vllm_decode_ms",
            "input_tokens": "toolorchestra_vllm_prefill_len",
            "output_tokens": "toolorchestra_vllm_decode_len",
        }
        for key, value in event.items():
            if key in ("at", "level", "domain", "task_id", "thread", "type") or (key == "error" and not value):
                continue
            text = f"{value:.2f}" if isinstance(value, float) else value
            if key == "duration_ms" and event["type"] == "step_complete":
                yield "total_duration_ms", text
            else:
                yield (spelling.get(key, key) if old else key), text
        yield "my_duration_ms", "1.00"

    def _marker(self, domain: str) -> None:
        task_id, trial = self.random.choice(TASKS[domain]), self.random.randrange(10**6)
        status = self.random.choice(("ok", "ok", "error", "skipped"))
        self._done[domain] += 1
        marker = (
            f"[TAU2_TASK_COMPLETE] domain={domain} trial={trial} task_id={task_id} status={status} "
            f"completed_domain={self._done[domain]} total_domain=114"
        )
        if self.random.random() < 0.2:
            self.truth.skipped_markers += 1
            self._put(domain, marker[: marker.index("trial=") + 3].encode())
            return
        self.truth.tasks.append((domain, trial, task_id, status))
        self._put(domain, (repr((f"{marker} ",)) if self.random.random() < 0.5 else marker).encode())

    def _eta(self) -> None:
        elapsed, eta = self.random.randrange(3600), self.random.randrange(3600, 10**5)
        self.truth.etas.append((3, 278, float(elapsed), float(eta)))
        hours, rest = divmod(eta, 3600)
        clock = f"elapsed={elapsed // 60:02d}:{elapsed % 60:02d} eta={hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
        self._full.append(f"\x1b[31m[OVERALL_ETA] done=3/278 {clock}\x1b[0m\n".encode())

    def _error(self, domain: str) -> None:
        stamp = f"{self._tick():%Y-%m-%d %H:%M:%S}.000"
        name, text = self.random.choice(
            (("harmony", HARMONY), ("retry", "Retry 2/5 in 8s"), ("task_failed", "Task failed"))
        )
        self.truth.errors[name] += 1
        self._put(domain, f"[ERROR] {stamp} task={self.random.choice(TASKS[domain])} thread=1 {text}".encode())

    def _put(self, domain: str, line: bytes) -> None:
        """Into the domain's log, and mostly a copy into the run's, dressed as the driver does it."""
        end = self.random.choice((b"\n", b"\n", b"\r\n"))
        self._own[domain].append(line + end)
        if self.random.random() < 0.8:
            prefix = self.random.choice(("", PREFIX, f"[{self._now:%Y-%m-%d %H:%M:%S}] {PREFIX}")).encode()
            color = self.random.random() < 0.3
            self._full.append(prefix + (b"\x1b[36m" + line + b"\x1b[0m" if color else line) + b"\n")

    def _tick(self) -> datetime:
        self._now += timedelta(milliseconds=self.random.randrange(1, 2000))
        return self._now

    def _latency(self) -> float:
        """Heavy-tailed, and never equal to what two decimals cannot hold."""
        return round(self.random.lognormvariate(8.3, 1.0), 2)


def _place(pair: str) -> int:
    """Where the writers put a key: the beginning of its name tells."""
    key = pair.partition("=")[0].removeprefix("toolorchestra_vllm_").removeprefix("total_")
    order = ("step", "model", "function", "call_type", "duration_ms", "prefill", "decode", "input", "output")
    return next((place for place, begin in enumerate(order) if key.startswith(begin)), len(order))


def _noise() -> Iterator[bytes]:
    yield (
        b'[DEBUG] 2025-12-30 17:32:15.001 task=17 thread=1 {"model": "x", "duration_ms": 3, "text": "'
        + b"y" * 300
        + b'"}'
    )
    yield b"\xff\xfe\x80 not UTF-8 \xc3("
    yield b"\x00" * 64
    yield b"  3%|#   | 1/30\r  6%|##  | 2/30\r"
    yield b""
    yield b'"a quote, and, commas'
    yield b'Traceback (most recent call last):\n  File "x.py", line 1, in <module>'
    yield b"INFO: type=llm_call duration_ms=1.00 without a level"
