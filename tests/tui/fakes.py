"""A small cluster in memory: it answers, obeys and breaks as the real one does, without a wait."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath

from tau2tui.config import Config, parse
from tau2tui.core import layout
from tau2tui.core.model import (
    DomainProgress,
    EvalProgress,
    EvalState,
    Job,
    JobState,
    Level,
    Load,
    Phase,
    Replica,
    RunningUnit,
)
from tau2tui.core.placement import plan_jobs
from tau2tui.core.step import Submission
from tau2tui.core.wire import progress_to
from tau2tui.errors import CommandFailed, Unreachable
from tau2tui.ops import Ops
from tau2tui.remote.command_log import CommandLog
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import READ_LIMIT, Completed, Shell
from tests.claims import claim_granted
from tests.sample import NOW

RUN = PurePosixPath("/shared/runs/20251230-0900")
SEED_CONFIG = Path(__file__).parents[2] / "config.toml"


def seed_config() -> Config:
    """The project's own config.toml: four models, sixteen replicas, three nodes."""
    return parse(SEED_CONFIG.read_bytes(), "config.toml", {}).at_home("/home/ada")


class FakeClock:
    """Stands still until it is told to go on, or goes on as real time does."""

    def __init__(self, *, runs: bool = False) -> None:
        self.now = NOW
        self._began = time.monotonic() if runs else None

    def __call__(self) -> float:
        return self.now if self._began is None else self.now + time.monotonic() - self._began


@dataclass
class FakeCluster:
    """Jobs, replicas, an evaluation and files; what was asked of it is remembered."""

    config: Config
    clock: FakeClock = field(default_factory=FakeClock)
    jobs: tuple[Job, ...] = ()
    replicas: dict[str, Replica] = field(default_factory=dict)
    evaluation: EvalProgress | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    queue_error: str = ""
    run_error: str = ""
    orphans: dict[str, int] = field(default_factory=dict)
    """Node → pid of a process that outlived its job there."""
    restarts_end_in: Phase = Phase.READY
    requests: list[tuple[str, str, int | float | str | None]] = field(default_factory=list)
    commands: list[tuple[str, ...]] = field(default_factory=list)

    def start_fleet(self) -> None:
        """All jobs run and all replicas are ready."""
        for number, job in enumerate(plan_jobs(self.config), 481498):
            node = f"gpu{job.node:02}"
            self.jobs += (
                Job(
                    str(number),
                    job.name,
                    JobState.RUNNING,
                    "RUNNING",
                    nodes=node,
                    time_left_s=80_000.0 - 3600 * job.node,
                ),
            )
            for placed in job.replicas:
                self.replicas[placed.name] = Replica(
                    name=placed.name,
                    expert=placed.expert,
                    model=self.config.experts[placed.expert].model,
                    job=job.name,
                    job_id=str(number),
                    phase=Phase.READY,
                    port=placed.port,
                    level=Level.COMPLETION,
                    node=node,
                    address=f"10.0.0.{job.node}",
                    gpus=placed.gpus,
                    pid=4000 + placed.port,
                    attempt=1,
                    log=f"logs/{placed.name}.1.log",
                    heartbeat_at=self.clock(),
                    load=Load(
                        running=3.0 + placed.index,
                        waiting=0.0,
                        kv_cache=0.21 + 0.1 * placed.index,
                        generation_tokens_s=812.4,
                    ),
                )

    def change(self, name: str, **fields: object) -> None:
        """Let a replica be otherwise."""
        self.replicas[name] = replace(self.replicas[name], **fields)  # type: ignore[arg-type]

    def state(self) -> str:
        """What `node_agent.py state` prints."""
        for name, replica in self.replicas.items():
            self.replicas[name] = replace(replica, heartbeat_at=self.clock())
        ready = [seen for seen in self.replicas.values() if seen.phase in (Phase.READY, Phase.DEGRADED)]
        table = {seen.name: [{"ip_addr": seen.address, "port": str(seen.port)}] for seen in ready}
        self.files[str(RUN / layout.ENDPOINTS)] = json.dumps(table).encode()
        evaluation = progress_to(self.evaluation) if self.evaluation else None
        replicas = [asdict(replica) for replica in self.replicas.values()]
        return json.dumps({"clock": self.clock(), "replicas": replicas, "evaluation": evaluation})

    def node_gpus(self, node: str) -> dict[str, object]:
        """What `node_agent.py gpus` prints there: four GPUs, two held by replicas, one by an orphan, one free."""
        gpus, processes = [], []
        held = [seen for seen in self.replicas.values() if seen.node == node][:2]
        for index in range(4):
            uuid = f"GPU-{node}-{index}"
            orphan = self.orphans.get(node) if index == 2 else None
            used = 71_000.0 if index < len(held) or orphan else 4.0
            gpus.append(
                {
                    "index": str(index),
                    "uuid": uuid,
                    "name": "NVIDIA H100 80GB HBM3",
                    "total_mib": 81_559.0,
                    "used_mib": used,
                    "utilization_percent": 37.0 if index < len(held) else 0.0,
                }
            )
            process = {"gpu_uuid": uuid, "started_ticks": 77, "user": "ada", "age_s": 4200.0, "used_mib": used - 4}
            if index < len(held):
                seen = held[index]
                why = f"replica {seen.name} of job {seen.job_id}"
                processes.append(
                    {
                        **process,
                        "pid": seen.pid,
                        "command": "VLLM::EngineCore",
                        "job_id": seen.job_id,
                        "replica": seen.name,
                        "stale": False,
                        "why": why,
                    }
                )
            elif orphan:
                processes.append(
                    {
                        **process,
                        "pid": orphan,
                        "command": "VLLM::Worker_TP0",
                        "job_id": "471000",
                        "replica": "",
                        "stale": True,
                        "why": "its job 471000 has ended",
                    }
                )
        return {"gpus": gpus, "processes": processes, "shared_memory": [], "error": ""}

    def answer(self, target: str, verb: str, value: int | float | str | None) -> str:
        """Do what a request asks for; returns what the node agent, or the driver, would say."""
        self.requests.append((target, verb, value))
        if verb == "gpus":
            return json.dumps(self.node_gpus(next(job.nodes for job in self.jobs if job.id == target)))
        if verb == "clean":
            ended = [{"pid": pid, "result": "ended"} for pid in self.orphans.values()]
            self.orphans.clear()
            return json.dumps({"ended": ended, "left": [], "freed_mib": 70_000.0, "shared_memory": []})
        if target == "eval":
            assert self.evaluation is not None
            changes: dict[str, dict[str, object]] = {
                "pause": {"state": EvalState.PAUSED},
                "resume": {"state": EvalState.RUNNING},
                "stop": {"state": EvalState.STOPPED},
                "concurrency": {"max_concurrency": value},
            }
            self.evaluation = replace(self.evaluation, **changes.get(verb, {}))  # type: ignore[arg-type]
            return verb
        for name, replica in self.replicas.items():
            if target in (name, replica.job):
                if verb == "stop":
                    self.change(name, phase=Phase.STOPPED, why="stopped by request")
                else:
                    log = f"logs/{name}.{replica.attempt + 1}.log"
                    phase = self.restarts_end_in
                    self.change(name, phase=phase, why="", last_error="", attempt=replica.attempt + 1, log=log)
        return verb


class FakeShell:
    """The login node of a FakeCluster."""

    name = "login1"

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self.commands = CommandLog()

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        if (granted := claim_granted(argv)) is not None:
            return Completed(tuple(argv), 0, granted, "")
        if "state" in argv:
            if self._cluster.run_error:
                raise Unreachable(self._cluster.run_error)
            return Completed(tuple(argv), 0, self._cluster.state(), "")
        if argv[0] == "stat":
            paths = [path for path in argv if path in self._cluster.files]
            lines = [f"{hash(path) & 0xFFFF} {len(self._cluster.files[path])} {path}\n" for path in paths]
            return Completed(tuple(argv), 0, "Welcome to login1\n" + "".join(lines), "")
        self._cluster.commands.append(tuple(argv))
        if "drive" in argv:
            self._cluster.evaluation = running_evaluation(self._cluster.clock())
        if argv[0] == "sbatch" and not self._cluster.replicas:
            self._cluster.start_fleet()
        if argv[0] == "scancel":
            ended = [replace(job, state=JobState.ENDED, raw_state="CANCELLED") for job in self._cluster.jobs]
            self._cluster.jobs = tuple(ended)
        return Completed(tuple(argv), 0, "481498\n", "")

    async def read(self, path: str, offset: int = 0, limit: int = READ_LIMIT) -> bytes:
        if path not in self._cluster.files:
            raise FileNotFoundError(path)
        return self._cluster.files[path][offset : offset + limit]

    async def size(self, path: str) -> int:
        return len(await self.read(path))

    async def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
        self._cluster.files[path] = content
        if "/control/" in path:
            asked = json.loads(content)
            said = self._cluster.answer(asked["target"], asked["verb"], asked["value"])
            answer = json.dumps({"ok": True, "message": said})
            self._cluster.files[str(PurePosixPath(path).with_suffix(".result.json"))] = answer.encode()

    async def append(self, path: str, content: bytes) -> None:
        self._cluster.files[path] = self._cluster.files.get(path, b"") + content

    async def names(self, directory: str) -> tuple[str, ...]:
        parent = PurePosixPath(directory)
        return tuple(
            sorted(PurePosixPath(path).name for path in self._cluster.files if PurePosixPath(path).parent == parent)
        )

    async def home(self) -> str:
        return "/home/ada"


class FakeQueue:
    """SLURM of a FakeCluster."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster

    def submit_argv(self, submission: Submission) -> tuple[str, ...]:
        return ("sbatch", "--parsable", submission.path)

    def cancel_argv(self, job_ids: tuple[str, ...]) -> tuple[str, ...]:
        return ("scancel", *job_ids)

    async def change(self, shell: Shell, argv: tuple[str, ...]) -> str:
        return (await shell.run(argv)).check().stdout

    async def jobs(self, shell: Shell, run_id: str, known: frozenset[str] = frozenset()) -> tuple[Job, ...]:
        if self._cluster.queue_error:
            raise CommandFailed(self._cluster.queue_error)
        return self._cluster.jobs

    async def live_jobs(self, shell: Shell) -> frozenset[str] | None:
        return frozenset(job.id for job in await self.jobs(shell, "") if job.state is not JobState.ENDED)


def make_ops(cluster: FakeCluster, *, launched: bool = True, read_only: bool = False) -> Ops:
    """The real Ops on a fake cluster."""
    shell = FakeShell(cluster)
    run = RunDirectory(shell, RUN, "python3")
    return Ops(cluster.config, shell, FakeQueue(cluster), run, launched, clock=cluster.clock, read_only=read_only)


def keep_samples(cluster: FakeCluster, hours: float = 2.0) -> None:
    """Two replicas were sampled every ten seconds; the second one did not answer for ten minutes, half an hour ago."""
    for name in ("orchestrator-0", "orchestrator-1"):
        rows: list[dict[str, object]] = []
        for ago_s in range(int(hours * 3600), 0, -10):
            at = cluster.clock() - ago_s
            if name == "orchestrator-1" and 1800 < ago_s <= 2400:
                rows.append({"t": at, "e": "/metrics: timed out"})
                continue
            # How many waited says how long ago it was, in tens of seconds.
            figures = [1, 5, ago_s / 10, 0.25, 10, 900, 5000, 4, 0, 5000, 2500, 4, 0]
            rows.append({"t": at, "v": figures, "E": [1, 4]})
        rows[0]["b"] = {"T": [], "E": [0.5, 1.0, 2.0]}
        text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        cluster.files[f"{RUN}/{layout.METRICS}/{name}.jsonl"] = text.encode()


def running_evaluation(now: float = NOW) -> EvalProgress:
    """In the middle of the seed's run, one simulation stuck."""
    units = [
        RunningUnit(
            "telecom",
            f"[mms_issue]airplane_mode_on|bad_network_{number}[PERSONA:None]",
            0,
            now - 95 - 7 * number,
            now - 2 - number,
            12 + number,
            "orchestrator",
            f"orchestrator-{number % 4}",
        )
        for number in range(7)
    ]
    units.append(RunningUnit("retail", "17", 0, now - 1290, now - 610, 31, "expert-1", "expert-1-2"))
    units.append(RunningUnit("airline", "4", 0, now - 40, now - 1, 6, "tool", ""))
    units.append(RunningUnit("airline", "9", 0, now - 61, now - 9, 8, "user", ""))
    return EvalProgress(
        state=EvalState.RUNNING,
        started_at=now - 3460,
        updated_at=now,
        domains=(
            DomainProgress("retail", 114, ok=55, errors=1, running=1, passed=25, reward_sum=25.0),
            DomainProgress("telecom", 114, ok=72, errors=0, running=7, passed=31, reward_sum=31.0),
            DomainProgress("airline", 50, ok=34, errors=0, running=2, passed=11, reward_sum=11.0),
        ),
        running=tuple(units),
        durations_s=tuple(150.0 + 37 * (number % 9) for number in range(162)),
        duration_domains=("retail",) * 56 + ("telecom",) * 72 + ("airline",) * 34,
        max_concurrency=10,
        errors={"harmony": 61, "timeout": 9, "server": 4},
        errors_by_replica={"expert-1-2": 48, "expert-1-0": 14, "orchestrator-3": 12},
        calls={"orchestrator": 3453, "expert-1": 963, "expert-2": 402, "expert-3": 15, "user": 2335},
        retries=74,
        pid=7710,
        host="login1",
    )


def busy_cluster(*, time_runs: bool = False) -> FakeCluster:
    """The seed's fleet, all ready, in the middle of its evaluation."""
    cluster = FakeCluster(seed_config(), FakeClock(runs=time_runs))
    cluster.start_fleet()
    cluster.evaluation = running_evaluation()
    return cluster


def ailing_cluster() -> FakeCluster:
    """The same while time runs, with one replica that has failed."""
    cluster = busy_cluster(time_runs=True)
    cluster.change("expert-1-2", phase=Phase.FAILED, why="exited with status 1")
    return cluster
