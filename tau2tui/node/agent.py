"""The node agent: one file, standard library only, Python 3.8 or newer; it runs on a compute node inside the job.

    python3 node_agent.py run JOB.json      supervise the replicas of one job until it is told to stop
    python3 node_agent.py state RUN_DIR     print all replicas and the evaluation of a run as one JSON object
    python3 node_agent.py gpus              print this node's GPUs and who holds them as one JSON object
    python3 node_agent.py spawn OUT -- CMD  start a command that outlives its caller, its output in OUT; print its pid

The agent starts each replica in a session of its own, follows its log, proves it ready level by level, and keeps
`replicas/<replica>.json` true. It takes requests from `control/` and answers each beside it. It never looks at the
scheduler: the run directory is all that it shares with the rest.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Iterable, List, Optional, Set, Tuple

TICK_S = 0.5
HEARTBEAT_S = 5.0
PROBE_STARTING_S = 1.0
PROBE_READY_S = 5.0
METRICS_S = 10.0
PROBE_TIMEOUT_S = 5.0
COMPLETION_TIMEOUT_S = 120.0
FAILED_PROBES_DEGRADED = 3
IDENTITY_CONNECTIONS = 3
"""Fresh connections on which the served model must be the same: two servers may share a port through SO_REUSEPORT."""

EVERY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - only compared with
ORDER = ("waiting", "starting", "loading", "compiling", "capturing", "serving", "ready")
"""Phases of a healthy start; a log line moves a replica forward in this order, never back."""

LOG_PHASES = (
    (re.compile(r"Loading safetensors checkpoint shards:\s+\d+% Completed \| (\d+/\d+)"), "loading"),
    (re.compile(r"Starting to load model|Loading weights|Loading drafter model"), "loading"),
    (re.compile(r"torch\.compile|Dynamo bytecode|Warming up model for the compilation|Compiling a graph"), "compiling"),
    (re.compile(r"Capturing CUDA graph|Graph capturing"), "capturing"),
    (re.compile(r"Starting vLLM server on|Application startup complete"), "serving"),
)
"""vLLM's own words (0.12 to 0.33) for how far a start is."""

ERROR_LINE = re.compile(r"(?:^|\s)(?:[\w.]*(?:Error|Exception|OutOfMemory\w*)\b: |vllm[\w ]*: error: |Killed$).*")
WRAPPER = re.compile(r"See root cause above|EngineDeadError|Engine core initialization failed")
"""Lines that only repeat that something failed; the cause stands before them."""


def now() -> float:
    """Unix seconds of this node's clock."""
    return time.time()


def write_json(path: Path, value: Any) -> None:
    """Write a file that no reader ever sees half: temporary name in the same directory, then rename."""
    handle, name = tempfile.mkstemp(dir=str(path.parent), prefix=".", suffix=".tmp")
    with os.fdopen(handle, "w") as file:
        json.dump(value, file)
    os.chmod(name, 0o644)
    os.replace(name, str(path))


def read_json(path: Path) -> Any:
    """Parse one file; raises OSError or ValueError."""
    return json.loads(path.read_bytes().decode())


# --- processes ---------------------------------------------------------------------------------------------------


def process_table() -> Dict[int, Tuple[int, int, str]]:
    """pid → (session, start time in clock ticks, state) of every process that /proc shows; zombies have state Z."""
    table = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_bytes().decode(errors="replace")
            except OSError:
                continue  # ended meanwhile
            fields = stat[stat.rindex(")") + 2 :].split()
            table[int(entry)] = (int(fields[3]), int(fields[19]), fields[0])
    return table


def session_members(session: int) -> List[int]:
    """Live processes of a session, its leader included: a killed vLLM leaves its engine and workers behind in it."""
    return [pid for pid, (sid, _, state) in process_table().items() if sid == session and state not in "ZX"]


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send a signal to each; one that ended meanwhile is no error."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def listeners(port: int) -> Set[str]:
    """Socket inodes that listen on a TCP port of this machine, as strings."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(fields[9])
    return inodes


def holds_socket(pids: Iterable[int], inodes: Set[str]) -> bool:
    """Whether one of these processes holds one of these sockets."""
    wanted = {"socket:[%s]" % inode for inode in inodes}
    for pid in pids:
        try:
            for descriptor in os.listdir("/proc/%d/fd" % pid):
                if os.readlink("/proc/%d/fd/%s" % (pid, descriptor)) in wanted:
                    return True
        except OSError:
            continue
    return False


# --- probes ------------------------------------------------------------------------------------------------------

PROBE_TOOL = {
    "type": "function",
    "function": {
        "name": "report_ready",
        "description": "Report that you are ready.",
        "parameters": {"type": "object", "properties": {"ready": {"type": "boolean"}}, "required": ["ready"]},
    },
}


class ProbeFailed(Exception):
    """A level of readiness is not reached, and why."""


def fetch(address: str, port: int, path: str, body: Any = None, timeout_s: float = PROBE_TIMEOUT_S) -> bytes:
    """One request on a fresh connection. Raises ProbeFailed for anything but a 200."""
    headers = {"Content-Type": "application/json", "Connection": "close"}
    if os.environ.get("VLLM_API_KEY"):
        headers["Authorization"] = "Bearer " + os.environ["VLLM_API_KEY"]
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        if body is None:
            connection.request("GET", path, headers=headers)
        else:
            connection.request("POST", path, body=json.dumps(body).encode(), headers=headers)
        response = connection.getresponse()
        payload = response.read(8 << 20)
    except (OSError, http.client.HTTPException) as error:
        raise ProbeFailed("%s: %s" % (path, error or type(error).__name__)) from None
    finally:
        connection.close()
    if response.status != 200:
        raise ProbeFailed("%s: HTTP %d %s" % (path, response.status, payload[:200].decode(errors="replace")))
    return payload


def probe_identity(address: str, port: int, model: str) -> None:
    """Every fresh connection must serve the expected model id."""
    for _ in range(IDENTITY_CONNECTIONS):
        try:
            served = [str(entry["id"]) for entry in json.loads(fetch(address, port, "/v1/models").decode())["data"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ProbeFailed("/v1/models: unreadable answer (%s)" % error) from None
        if model not in served:
            raise ProbeFailed("/v1/models: serves %s, expected %s" % (", ".join(served) or "nothing", model))


def probe_completion(address: str, port: int, model: str, kind: str) -> None:
    """A real completion; kind `tools` must come back as a parsed tool call."""
    body: Dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "user", "content": "Call report_ready with ready=true." if kind == "tools" else "Say ok."}
        ],
        "max_tokens": 400,
        "temperature": 0,
    }
    if kind == "tools":
        body["tools"] = [PROBE_TOOL]
    try:
        answer = json.loads(fetch(address, port, "/v1/chat/completions", body, COMPLETION_TIMEOUT_S).decode())
        message = answer["choices"][0]["message"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ProbeFailed("completion: unreadable answer (%s)" % error) from None
    if kind == "tools" and not message.get("tool_calls"):
        raise ProbeFailed("completion: answered, but not as a parsed tool call (tool-call parser?)")


METRIC = re.compile(r"^vllm:(\w+)(?:\{[^}]*\})?\s+(\S+)", re.MULTILINE)


def read_metrics(text: str) -> Dict[str, float]:
    """Sums over engines of the few series that the table shows; what is not reported is not in the result."""
    names = {
        "num_requests_running": "running",
        "num_requests_waiting": "waiting",
        "kv_cache_usage_perc": "kv_cache",
        "gpu_cache_usage_perc": "kv_cache",
        "generation_tokens_total": "generation_tokens",
    }
    found: Dict[str, List[float]] = {}
    for name, value in METRIC.findall(text):
        if name in names:
            try:
                found.setdefault(names[name], []).append(float(value))
            except ValueError:
                continue
    return {key: max(values) if key == "kv_cache" else sum(values) for key, values in found.items()}


# --- a replica ---------------------------------------------------------------------------------------------------


class Replica:
    """One server under supervision: its process, its log, its levels of readiness, and the file that tells of them."""

    def __init__(self, spec: Dict[str, Any], job: "Agent", pool: ThreadPoolExecutor) -> None:
        self.spec = spec
        self.job = job
        self.pool = pool
        self.name: str = spec["name"]
        self.attempt = 0
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.start_at: Optional[float] = now() + spec["delay_s"]
        self.phase = "waiting"
        self.phase_since = now()
        self.why = "starts in %d s" % spec["delay_s"] if spec["delay_s"] else ""
        self.level: Optional[str] = None
        self.started_at: Optional[float] = None
        self.ready_at: Optional[float] = None
        self.exit_status: Optional[int] = None
        self.log_offset = 0
        self.log_rest = b""
        self.errors: Deque[str] = collections.deque(maxlen=20)
        self.stop_deadline = 0.0
        self.signals_sent = 0
        self.restart = False
        self.failed_probes = 0
        self.next_probe = 0.0
        self.probe: Optional[Future[str]] = None
        self.load: Dict[str, Optional[float]] = {}
        self.last_tokens: Optional[Tuple[float, float]] = None
        self.next_metrics = 0.0
        self.metrics: Optional[Future[Dict[str, float]]] = None
        self.written = ""
        self.written_at = 0.0

    @property
    def log(self) -> Path:
        return self.job.logs / ("%s.%d.log" % (self.name, self.attempt))

    def enter(self, phase: str, why: str = "") -> None:
        """Change the phase; the time in it starts anew only if it is another one."""
        if phase != self.phase:
            self.phase, self.phase_since = phase, now()
            print("%s %s%s" % (self.name, phase, ": " + why if why else ""), flush=True)
        self.why = why

    # starting and stopping

    def start(self) -> None:
        """Start the next attempt in a session of its own, with its own GPUs, caches and log."""
        self.attempt += 1
        self.start_at = None
        self.level = self.exit_status = self.ready_at = None
        self.log_offset, self.log_rest, self.failed_probes, self.next_probe = 0, b"", 0, 0.0
        self.errors.clear()
        self.load, self.last_tokens = {}, None
        self.probe = self.metrics = None  # what still runs of the last attempt says nothing about this one
        self.started_at = now()
        cache = Path(self.spec["cache"])
        environment = dict(os.environ)
        environment.update(self.spec["env"])
        environment["CUDA_VISIBLE_DEVICES"] = self.visible_devices()
        environment["VLLM_CACHE_ROOT"] = str(cache / "vllm")
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(cache / "inductor")
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with self.log.open("wb") as output:
                self.process = subprocess.Popen(
                    self.spec["argv"],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd=str(self.job.run_dir),
                    start_new_session=True,
                )
        except OSError as error:
            self.process = None
            self.errors.append(str(error))
            self.enter("failed", "could not be started: %s" % error)
            return
        self.enter("starting")

    def visible_devices(self) -> str:
        """The replica's GPUs by number within the job's allocation, which on a shared node need not start at 0."""
        allocated = [device for device in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]
        wanted: List[int] = self.spec["gpus"]
        if wanted and max(wanted) < len(allocated):
            return ",".join(allocated[gpu] for gpu in wanted)
        return ",".join(str(gpu) for gpu in wanted)

    def stop(self, why: str, restart: bool = False) -> None:
        """Begin to stop; `tick` goes on with it until nothing of the replica is left."""
        self.restart = restart
        self.start_at = None
        if self.process is None and self.phase != "stopping":
            self.after_stop()
            return
        if self.phase != "stopping":
            self.signals_sent = 0
            self.enter("stopping", why)

    def continue_stop(self) -> None:
        """TERM, after half the time TERM again (vLLM swallows one while it starts), then KILL, until all are gone."""
        assert self.process is not None
        self.process.poll()
        left = session_members(self.process.pid)
        if not left:
            self.exit_status = self.process.wait()
            self.after_stop()
            return
        patience = float(self.spec["stop_timeout_s"])
        steps = ((0.0, signal.SIGTERM), (patience / 2, signal.SIGTERM), (patience, signal.SIGKILL))
        waited = now() - self.phase_since
        if self.signals_sent < len(steps) and waited >= steps[self.signals_sent][0]:
            signal_all(left, steps[self.signals_sent][1])
            self.signals_sent += 1
        elif waited > patience + 10:
            self.why = "pids %s do not end, even by KILL" % ", ".join(map(str, left))

    def after_stop(self) -> None:
        self.process = None
        self.level = None
        self.load = {}
        if self.restart:
            self.restart = False
            self.start()
        elif listeners(self.spec["port"]):
            self.enter("stopped", "port %d is still open: another process listens there" % self.spec["port"])
        else:
            self.enter("stopped", "no process left, port %d closed" % self.spec["port"])

    def ended(self) -> None:
        """The server's main process ended by itself: that is a failure, and what it left behind is ended too."""
        assert self.process is not None
        self.exit_status = self.process.returncode
        left = session_members(self.process.pid)
        signal_all(left, signal.SIGKILL)
        self.read_log()
        status = self.exit_status
        how = "killed by signal %d" % -status if status < 0 else "exited with status %d" % status
        self.process = None
        self.level = None
        self.load = {}
        self.enter("failed", how + (" and left %d processes, ended" % len(left) if left else ""))

    # looking

    def tick(self) -> None:
        """Move on by one step; never blocks."""
        if self.phase == "stopping":
            if self.process is not None:
                self.continue_stop()
        elif self.start_at is not None and now() >= self.start_at:
            self.start()
        elif self.process is not None:
            self.read_log()
            if self.process.poll() is not None:
                self.ended()
            else:
                self.take_probe()
                self.take_metrics()
                if self.level is None:
                    self.level = "alive"
                self.check_start_time()
        self.write()

    def check_start_time(self) -> None:
        limit = float(self.spec["start_timeout_s"])
        if self.ready_at is None and self.started_at is not None and now() - self.started_at > limit:
            self.why = "not ready after %d s; %s" % (limit, self.why)

    def read_log(self) -> None:
        """Take the new bytes of the log: how far the start is, and lines that look like errors."""
        try:
            with self.log.open("rb") as file:
                file.seek(self.log_offset)
                new = file.read(1 << 18)
        except OSError:
            return
        self.log_offset += len(new)
        lines = re.split(rb"[\r\n]", self.log_rest + new)
        self.log_rest = lines.pop()[-4096:]
        for raw in lines:
            line = raw[:2000].decode(errors="replace").strip()
            self.follow(line)
            if ERROR_LINE.search(line) and not WRAPPER.search(line):
                self.errors.append(line[:400])

    def follow(self, line: str) -> None:
        """Move forward by what one line of the log says."""
        if self.phase not in ORDER:
            return
        for pattern, phase in LOG_PHASES:
            match = pattern.search(line)
            if match:
                if ORDER.index(phase) >= ORDER.index(self.phase):
                    self.enter(phase, match.group(1) + " shards" if match.groups() else "")
                return

    def take_probe(self) -> None:
        """Start a probe when it is due, and take its result when it is there; at most one runs at a time."""
        if self.probe is not None and self.probe.done():
            probe, self.probe = self.probe, None
            self.next_probe = now() + (PROBE_READY_S if self.ready_at else PROBE_STARTING_S)
            error = probe.exception()
            if error is None:
                self.probed(probe.result(), "")
            elif isinstance(error, LevelFailed):
                self.probed(error.reached, str(error))
            else:
                raise error
        elif self.probe is None and now() >= self.next_probe:
            first = self.ready_at is None
            self.probe = self.pool.submit(self.prove, first)

    def prove(self, first: bool) -> str:
        """Climb the levels of readiness; the completion only until it succeeded once. Runs in a thread."""
        reached = "alive"
        address, port, model = self.job.probe_address, self.spec["port"], self.spec["model"]
        try:
            fetch(address, port, "/health")
            reached = "health"
            probe_identity(address, port, model)
            process = self.process
            inodes = listeners(port)
            if process is not None and inodes and not holds_socket(session_members(process.pid), inodes):
                raise ProbeFailed("port %d belongs to a process that is not ours" % port)
            reached = "identity"
            if first and self.spec["probe"] != "none":
                probe_completion(address, port, model, self.spec["probe"])
            return "completion"
        except ProbeFailed as error:
            raise LevelFailed(reached, str(error)) from None

    def probed(self, reached: str, why: str) -> None:
        """Take one probe's result: ready needs all levels, and three failures in a row make a ready one degraded."""
        if self.phase in ("stopping", "stopped", "failed"):
            return
        if reached == "completion":
            self.failed_probes = 0
            self.level = reached
            self.ready_at = self.ready_at or now()
            self.enter("ready")
            return
        if self.ready_at is None:
            self.level = reached
            if reached != "alive":
                self.enter("serving", why)
        else:
            self.failed_probes += 1
            if self.failed_probes >= FAILED_PROBES_DEGRADED:
                self.level = reached
                self.enter("degraded", why)

    def take_metrics(self) -> None:
        """Scrape /metrics now and then once the server answers; a scrape that fails leaves a gap with its reason."""
        if self.metrics is not None and self.metrics.done():
            scrape, self.metrics = self.metrics, None
            sample: Dict[str, Any] = {"at": now()}
            error = scrape.exception()
            if isinstance(error, ProbeFailed):
                self.load = {}
                sample["error"] = str(error)
            elif error is not None:
                raise error
            else:
                values = scrape.result()
                sample.update(values)
                self.load = {key: values.get(key) for key in ("running", "waiting", "kv_cache")}
                self.load["generation_tokens_s"] = self.token_rate(values.get("generation_tokens"))
            with (self.job.run_dir / "metrics" / (self.name + ".jsonl")).open("a") as file:
                file.write(json.dumps(sample) + "\n")
        elif self.metrics is None and self.ready_at is not None and now() >= self.next_metrics:
            self.next_metrics = now() + METRICS_S
            address, port = self.job.probe_address, self.spec["port"]
            self.metrics = self.pool.submit(
                lambda: read_metrics(fetch(address, port, "/metrics").decode(errors="replace"))
            )

    def token_rate(self, tokens: Optional[float]) -> Optional[float]:
        """Tokens per second between two scrapes; unknown at first, and after a counter went back."""
        before, self.last_tokens = self.last_tokens, None if tokens is None else (now(), tokens)
        if before is None or tokens is None or tokens < before[1] or now() <= before[0]:
            return None
        return (tokens - before[1]) / (now() - before[0])

    def last_error(self) -> str:
        """The newest error line of a replica that failed; a healthy log may hold such lines too."""
        return self.errors[-1] if self.errors and self.phase == "failed" else ""

    def write(self) -> None:
        """Write the state when it changed, and as a heartbeat."""
        state = {
            "schema": 1,
            "name": self.name,
            "expert": self.spec["expert"],
            "model": self.spec["model"],
            "job": self.job.spec["job"],
            "job_id": self.job.job_id,
            "node": self.job.node,
            "address": self.job.address,
            "port": self.spec["port"],
            "gpus": self.spec["gpus"],
            "phase": self.phase,
            "phase_since": self.phase_since,
            "why": self.why,
            "level": self.level,
            "pid": self.process.pid if self.process else None,
            "attempt": self.attempt,
            "exit_status": self.exit_status,
            "last_error": self.last_error(),
            "log": "%s/%s" % (self.job.spec["logs"], self.log.name) if self.attempt else "",
            "started_at": self.started_at,
            "ready_at": self.ready_at,
            "load": self.load,
        }
        text = json.dumps(state)
        if text == self.written and now() - self.written_at < HEARTBEAT_S:
            return
        self.written, self.written_at = text, now()
        state["heartbeat_at"] = self.written_at
        write_json(self.job.run_dir / "replicas" / (self.name + ".json"), state)


class LevelFailed(Exception):
    """A probe stopped below the top: the level that it reached, and why no further."""

    def __init__(self, reached: str, why: str) -> None:
        super().__init__(why)
        self.reached = reached


# --- the agent ---------------------------------------------------------------------------------------------------


class Agent:
    """All replicas of one job, and the requests to them."""

    def __init__(self, spec: Dict[str, Any]) -> None:
        self.spec = spec
        self.run_dir = Path(spec["run_dir"])
        self.logs: Path = self.run_dir / spec["logs"]
        self.job_id = os.environ.get("SLURM_JOB_ID") or os.environ.get("TAU2TUI_JOB_ID") or ""
        self.node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        self.address = spec.get("address") or own_address()
        self.probe_address = self.address if spec["host"] in EVERY_ADDRESS else spec["host"]
        self.stopping = ""
        self.pool = ThreadPoolExecutor(max_workers=2 * len(spec["replicas"]) or 1)
        self.replicas = [Replica(replica, self, self.pool) for replica in spec["replicas"]]
        self.pending: Dict[Path, List[Replica]] = {}
        self.answered: Set[str] = set()
        for path in self.requests():
            self.answer(path, False, "older than the agent that runs now", again=True)

    def run(self) -> int:
        """Supervise until a request or a signal ends it; returns 0 once every replica is stopped."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.terminate)
        while True:
            for path in self.requests():
                self.take(path)
            for replica in self.replicas:
                replica.tick()
            self.answer_finished()
            if self.stopping and all(replica.phase in ("stopped", "failed") for replica in self.replicas):
                break
            time.sleep(TICK_S)
        self.pool.shutdown(wait=False)
        print("ended: " + self.stopping, flush=True)
        return 0

    def terminate(self, number: int, _frame: Any) -> None:
        """The job is cancelled or near its time limit."""
        self.stop_all("signal %d: the job ends" % number)

    def stop_all(self, why: str) -> None:
        self.stopping = why
        for replica in self.replicas:
            if replica.phase != "failed":
                replica.stop(why)

    # requests

    def requests(self) -> List[Path]:
        """Unanswered requests to this job or one of its replicas, oldest first."""
        names = set(os.listdir(str(self.run_dir / "control")))
        mine = {self.spec["job"]} | {replica.name for replica in self.replicas}
        found = []
        for name in sorted(names - self.answered):
            if not name.endswith(".json") or name.endswith(".result.json") or name.startswith("."):
                continue
            path = self.run_dir / "control" / name
            if path in self.pending:
                continue
            if name[: -len(".json")] + ".result.json" in names:
                self.answered.add(name)
                continue
            try:
                request = read_json(path)
                target = request["target"]
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not ours to judge: another agent may be meant
            if target in mine:
                found.append(path)
            else:
                self.answered.add(name)
        return found

    def take(self, path: Path) -> None:
        """Begin what a request asks for; `answer_finished` answers when it is done."""
        request = read_json(path)
        verb, target = request.get("verb"), request["target"]
        targets = [replica for replica in self.replicas if target in (replica.name, self.spec["job"])]
        why = "%s by %s" % (verb, request.get("by", "unknown"))
        if verb == "stop" and target == self.spec["job"]:
            self.stop_all(why)
        elif verb in ("stop", "restart"):
            for replica in targets:
                replica.stop(why, restart=verb == "restart")
        elif verb == "start":
            for replica in targets:
                if replica.process is None:
                    replica.start_at = now()
        else:
            self.answer(path, False, "unknown verb %r" % (verb,))
            return
        self.pending[path] = targets

    def answer_finished(self) -> None:
        """Answer each request whose replicas have all settled: started again, or provably stopped."""
        for path, targets in list(self.pending.items()):
            if all(replica.phase != "stopping" and replica.start_at is None for replica in targets):
                message = "; ".join(
                    "%s %s%s" % (replica.name, replica.phase, " (%s)" % replica.why if replica.why else "")
                    for replica in targets
                )
                self.answer(path, True, message)
                del self.pending[path]

    def answer(self, path: Path, done: bool, message: str, again: bool = False) -> None:
        """Answer a request; `again` tells a client that still waits to ask once more."""
        self.answered.add(path.name)
        result = {"ok": done, "message": message, "again": again, "at": now(), "node": self.node}
        write_json(path.with_suffix(".result.json"), result)


def own_address() -> str:
    """The address under which other nodes reach this one: what `hostname -i` says, unless that is loopback."""
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        address = "127.0.0.1"
    if not address.startswith("127."):
        return address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # no packet is sent: the kernel only picks the way out
            return str(probe.getsockname()[0])
        except OSError:
            return address


# --- looking from outside ----------------------------------------------------------------------------------------


def run_state(run_dir: Path) -> Dict[str, Any]:
    """Everything that a run directory says now, in one object; unreadable files are named, not passed over."""
    unreadable: List[str] = []

    def read(path: Path) -> Any:
        try:
            return read_json(path)
        except (OSError, ValueError) as error:
            unreadable.append("%s: %s" % (path.name, error))
            return None

    replicas = [read(path) for path in sorted((run_dir / "replicas").glob("*.json")) if not path.name.startswith(".")]
    state = run_dir / "eval" / "state.json"
    return {
        "clock": now(),
        "replicas": [replica for replica in replicas if replica is not None],
        "evaluation": read(state) if state.exists() else None,
        "unreadable": unreadable,
    }


def query(what: str, fields: str) -> List[List[str]]:
    """Rows of one nvidia-smi query. Raises OSError or subprocess.SubprocessError."""
    output = subprocess.run(
        ["nvidia-smi", "--query-%s=%s" % (what, fields), "--format=csv,noheader,nounits"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=30,
        check=True,
    ).stdout.decode(errors="replace")
    return [[cell.strip() for cell in line.split(",")] for line in output.splitlines() if line.strip()]


def gpu_state() -> Dict[str, Any]:
    """This node's GPUs and the processes that hold them: pid, owner, start time, memory."""
    try:
        gpus = query("gpu", "index,uuid,name,memory.total,memory.used,utilization.gpu")
        apps = query("compute-apps", "gpu_uuid,pid,used_memory,process_name")
    except (OSError, subprocess.SubprocessError) as error:
        return {"clock": now(), "node": socket.gethostname(), "error": str(error), "gpus": [], "processes": []}
    table = process_table()
    processes = []
    for uuid, pid, used, name in (row for row in apps if len(row) == 4 and row[1].isdigit()):
        try:
            owner: Optional[int] = os.stat("/proc/" + pid).st_uid
        except OSError:
            owner = None  # in another pid namespace, or ended meanwhile
        started = table[int(pid)][1] if int(pid) in table else None
        processes.append(
            {
                "gpu_uuid": uuid,
                "pid": int(pid),
                "used_mib": number(used),
                "name": name,
                "uid": owner,
                "started_ticks": started,
            }
        )
    keys = ("index", "uuid", "name", "total_mib", "used_mib", "utilization_percent")
    rows = [dict(zip(keys, row[:3] + [number(cell) for cell in row[3:]])) for row in gpus if len(row) == len(keys)]
    return {"clock": now(), "node": socket.gethostname(), "uid": os.getuid(), "gpus": rows, "processes": processes}


def number(cell: str) -> Optional[float]:
    """A cell of nvidia-smi as a number; `[N/A]` is unknown."""
    try:
        return float(cell)
    except ValueError:
        return None


def start_detached(command: List[str], out: Path) -> int:
    """Start a command in a session of its own, its output appended to a file, and leave it; returns its pid."""
    with out.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        ).pid


def main(argv: Optional[List[str]] = None) -> int:
    """Run one of the three words; returns the exit status."""
    parser = argparse.ArgumentParser(prog="node_agent.py", description=(__doc__ or "").split("\n", 1)[0])
    words = parser.add_subparsers(dest="word", metavar="WORD")
    words.required = True
    run = words.add_parser("run", help="supervise the replicas of one job")
    run.add_argument("spec", type=Path)
    state = words.add_parser("state", help="print a run directory's state as JSON")
    state.add_argument("run_dir", type=Path)
    words.add_parser("gpus", help="print this node's GPUs and who holds them as JSON")
    spawn = words.add_parser("spawn", help="start a command that outlives its caller")
    spawn.add_argument("out", type=Path)
    spawn.add_argument("command", nargs="+")
    arguments = parser.parse_args(argv)
    if arguments.word == "spawn":
        print(start_detached(arguments.command, arguments.out))
        return 0
    report: Dict[str, Callable[[], Any]] = {"state": lambda: run_state(arguments.run_dir), "gpus": gpu_state}
    if arguments.word in report:
        json.dump(report[arguments.word](), sys.stdout)
        print()
        return 0
    return Agent(read_json(arguments.spec)).run()


if __name__ == "__main__":
    sys.exit(main())
