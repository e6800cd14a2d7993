"""What is fuzzed: each target makes a function that takes any bytes, and raises if what we read them with misbehaves.

A target imports what it tests when it is made, so that `__main__` can count the branches of exactly that.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEN = Path(__file__).with_name("seen")
"""Inputs that once broke something, by target: they are tried by every run of the suite, and seed the fuzzing."""
SEED_BYTES = 4096
_PIECE = 97
"""Logs are fed in pieces of so many bytes: no boundary of lines is one of pieces."""

Try = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Target:
    """One reader of text from outside."""

    about: str
    make: Callable[[], Try]
    seeds: tuple[str | bytes, ...] = ()
    """Texts that are well formed, or globs of files below the root."""
    parts: str = ""
    """Where such a text may be cut into several that are well formed too."""

    def corpus(self, name: str) -> Iterator[bytes]:
        """What the fuzzing begins with: well-formed texts and files, and what once broke it."""
        for seed in self.seeds:
            texts = [seed] if isinstance(seed, bytes) else [path.read_bytes() for path in sorted(ROOT.glob(seed))]
            for text in texts:
                pieces = re.split(self.parts.encode(), text, flags=re.MULTILINE) if self.parts else [text]
                yield from (piece[:SEED_BYTES] for piece in pieces)
        yield from (path.read_bytes() for path in seen(name))


def seen(name: str) -> list[Path]:
    """The recorded inputs of a target."""
    return sorted(path for path in (SEEN / name).glob("*") if path.is_file())


def _text(data: bytes) -> str:
    """As remote commands are read."""
    return data.decode(errors="replace")


def _logs() -> Try:
    from tau2tui.analysis.errorlines import ErrorPatterns
    from tau2tui.analysis.reading import Reading

    reading = Reading("retail", ErrorPatterns({}))

    def read(data: bytes) -> None:
        lines = data + b"\n"
        records = reading.joined([reading.stretch(lines)])
        rows = records.events.height + records.tasks.height + records.driver.height
        # The record that ends a torn line is read besides it, and a line of several markers is several records.
        assert rows <= lines.count(b"\n") + lines.count(b"["), "more records than lines and brackets"

    return read


def _queue() -> Try:
    from tau2tui.core.model import JobState
    from tau2tui.remote.slurm import parse_queue

    def read(data: bytes) -> None:
        for job in parse_queue(_text(data)):
            assert job.time_left_s is None or (job.state is JobState.RUNNING and math.isfinite(job.time_left_s))
            assert "\n" not in job.id + job.name + job.reason
            if job.state is JobState.ENDED:
                assert job.raw_state.isascii() and job.raw_state.isupper(), "an end needs a word that means one"

    return read


def _accounting() -> Try:
    from tau2tui.core.slurm_time import slurm_seconds
    from tau2tui.remote.probe_answer import parse_partitions, parse_quotas
    from tau2tui.remote.slurm import parse_accounting

    def read(data: bytes) -> None:
        text = _text(data)
        parse_accounting(text)
        parse_partitions(text)
        assert all(quota.used >= 0 for quota in parse_quotas(text))
        for word in text.split()[:20]:
            assert (slurm_seconds(word) or 0.0) >= 0.0

    return read


def _metrics() -> Try:
    from tau2tui.core.metrics.scrape import parse
    from tau2tui.node.agent import Meter, read_metrics

    def read(data: bytes) -> None:
        text = _text(data)
        scrape = parse(text, 0.0)
        assert all(math.isfinite(value) for series in scrape.values.values() for value in series.values())
        meter = Meter({})
        for at in (0.0, 10.0):
            meter.take(at, read_metrics(text))
        json.dumps([meter.load(), meter.row(1)], allow_nan=False)

    return read


def _config() -> Try:
    from tau2tui.config import parse
    from tau2tui.errors import ConfigError

    def read(data: bytes) -> None:
        try:
            parse(data, "config.toml", {"HOME": "/home/ada", "USER": "ada"})
        except ConfigError as error:
            words = str(error)
            assert words.startswith("config.toml: ") and len(words.splitlines()) == 1, words

    return read


def _gpus() -> Try:
    from tau2tui.node import agent

    def read(data: bytes) -> None:
        gpus, _, apps = _text(data).partition("\0")
        for gpu in agent.gpu_rows(gpus):
            json.dumps(gpu, allow_nan=False)
        for uuid, pid, used_mib in agent.process_rows(apps):
            assert uuid == uuid.strip() and 0 < pid < 1 << 63 and math.isfinite(used_mib)

    return read


def _diagnosis() -> Try:
    from tau2tui.core.diagnosis import LogScan, table

    known = table()

    def read(data: bytes) -> None:
        whole, pieces = LogScan(known), LogScan(known)
        whole.feed(data)
        for start in range(0, len(data), _PIECE):
            pieces.feed(data[start : start + _PIECE])
        found = whole.finish()
        assert found == pieces.finish(), "what is found depends on where the pieces end"
        for finding in found:
            assert "\n" not in " ".join(finding.action.argv), "a command is one line"

    return read


def _state() -> Try:
    from tau2tui.remote.rundir import parse_state

    def read(data: bytes) -> None:
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            return
        try:
            parse_state(answer)
        except ValueError:
            return  # told as "the state is not readable"

    return read


def _scripts() -> Try:
    from tau2tui.core.migration.endpoints import read_endpoints
    from tau2tui.core.migration.node_script import read_node_script
    from tau2tui.errors import Tau2TuiError

    def read(data: bytes) -> None:
        text = _text(data)
        for each in (lambda: read_node_script("node.sh", text, {}), lambda: read_endpoints("endpoints.json", text)):
            try:
                each()
            except Tau2TuiError as error:
                assert len(str(error).splitlines()) == 1, str(error)

    return read


def _lines() -> Try:
    from tau2tui.tui.log_lines import readable

    def read(data: bytes) -> None:
        for line in data.split(b"\n"):
            assert all(character.isprintable() or character == "\t" for character in readable(line))

    return read


_TASK = (
    b"[2026-01-02 03:04:05] [TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=7 status=ok completed_domain=1"
    b" total_domain=9\n[PROFILE] 2026-01-02 03:04:05.678 task=7 thread=12 type=llm_call step=1 model=org/a"
    b" duration_ms=12.30 prompt_tokens=5 completion_tokens=6 replica=a-0\n"
)
_JOB = "\x1f".join(("4711", "RUNNING", "1-02:03:04", "gpu07", "tau2tui one", "None", "oss_eval_node1")).encode() + b"\n"
_SACCT = b"4711|CANCELLED by 1000|0:15|gpu07|oss_eval_node1\ngpu|1-00:00:00\n/home 10* 20 30 none 1 0 5 none\n"
_SMI = b"0, GPU-1, NVIDIA H100, 81559, 1024, 37\n1, GPU-2, NVIDIA H100, [N/A], 0, [N/A]\n\0GPU-1, 4711, 512, python\n"
_METRICS = (
    b"# TYPE vllm:num_requests_running gauge\n"
    b'vllm:num_requests_running{engine="0",model_name="m"} 3.0\n'
    b"# TYPE vllm:e2e_request_latency_seconds histogram\n"
    b'vllm:e2e_request_latency_seconds_bucket{le="0.3",model_name="m"} 1.0\n'
    b'vllm:e2e_request_latency_seconds_bucket{le="+Inf",model_name="m"} 2.0\n'
    b'vllm:e2e_request_latency_seconds_sum{model_name="m"} 1.5\n'
    b'vllm:e2e_request_latency_seconds_count{model_name="m"} 2.0\n'
)
_EXPERT = b'[experts.a]\nmodel = "m"\nrole = "agent"\nnode = 1\nport = 1900\n'
_STATE = (
    b'{"clock": 1.5, "replicas": [{"name": "a-0", "phase": "ready", "load": {}}], "evaluation": {"state": "running"}}'
)

TARGETS = {
    "logs": Target("the logs of an evaluation", _logs, (_TASK, "tests/core/diagnosis/samples/evaluation/*")),
    "queue": Target("squeue", _queue, (_JOB, _JOB * 3)),
    "accounting": Target("sacct, sinfo, quota and durations", _accounting, (_SACCT,)),
    "metrics": Target("/metrics, by the package and by the node agent", _metrics, (_METRICS,)),
    "config": Target("config.toml", _config, ("config.toml", _EXPERT), parts=r"^(?=\[)"),
    "gpus": Target("nvidia-smi", _gpus, (_SMI,)),
    "diagnosis": Target("any log, for causes of failures", _diagnosis, ("tests/core/diagnosis/samples/*/*",)),
    "state": Target("the files of a run directory", _state, (_STATE,)),
    "scripts": Target("hand-made node scripts and endpoint tables", _scripts, ("tests/data/seed/*",)),
    "lines": Target("a line of a log, as the screen draws it", _lines, (b"\x1b[31mred\x1b[0m 50%\r100%\tdone",)),
}
