"""The node agent: one file, standard library only, Python 3.8 or newer; it runs on a compute node inside the job.

    python3 node_agent.py run JOB.json      supervise the replicas of one job until it is told to stop
    python3 node_agent.py state RUN_DIR     print all replicas and the evaluation of a run as one JSON object
    python3 node_agent.py gpus              print this node's GPUs and who holds them as one JSON object
    python3 node_agent.py clean             end what is stale on them, verify, and print what was done and left
    python3 node_agent.py spawn OUT -- CMD  start a command that outlives its caller, its output in OUT; print its pid

The agent starts each replica in a session of its own, follows its log, proves it ready level by level, and keeps
`replicas/<replica>.json` true. It takes requests from `control/` and answers each beside it. It never looks at the
scheduler: the run directory is all that it shares with the rest.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import errno
import fcntl
import json
import math
import os
import pwd
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Deque, Dict, Iterable, List, Optional, Set, TextIO, Tuple

if TYPE_CHECKING:  # each takes long to load, and `state`, which is called every few seconds, needs neither
    import http.client
    from concurrent.futures import Future, ThreadPoolExecutor

TOLD_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""How the job script tells of the end. They wait while the agent starts: by default each of them would end it."""
TICK_S = 0.5
HEARTBEAT_S = 5.0
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""A file system that does not lock says one of these."""
PROBE_STARTING_S = 1.0
PROBE_READY_S = 5.0
METRICS_S = 10.0
PROBE_TIMEOUT_S = 5.0
COMPLETION_TIMEOUT_S = 120.0
IDLE_COMPLETION_TIMEOUT_S = 60.0
"""For a few tokens of a server that has nothing else to do."""
IDLE_TOKENS = 8
FAILED_COMPLETIONS_DEGRADED = 2
COMPLETION_AGAIN_S = 30.0
"""After a completion that failed the next one comes so soon, if not sooner."""
LOWEST_PRIORITY = 1 << 20
ANSWER_LIMIT = 8 << 20
FAILED_PROBES_DEGRADED = 3
SILENT_S = 30.0
"""After so long without a heartbeat another agent may be taken for gone."""
DRAIN_LEAST_S = 5.0
"""Who routes requests needs a moment to see that a replica drains; until then new ones may still come."""
IDENTITY_CONNECTIONS = 3
"""Fresh connections on which the served model must be the same: two servers may share a port through SO_REUSEPORT."""

EVERY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - only compared with
ORDER = ("waiting", "cleaning", "starting", "loading", "compiling", "capturing", "serving", "ready")
"""Phases of a healthy start; a log line moves a replica forward in this order, never back."""
SETTLED = ("stopped", "failed")
REPLICAS, SUCCESSORS, PREDECESSORS = "replicas", "successors", "predecessors"
"""Where a replica's state is written: as the one that counts, as one that is about to take over, as one that was."""

LOG_PHASES = (
    (re.compile(r"Loading safetensors checkpoint shards:\s+\d+% Completed \| (\d+/\d+)"), "loading"),
    (re.compile(r"Starting to load model|Loading weights|Loading drafter model"), "loading"),
    (
        re.compile(
            r"(?:Starting|vLLM's) torch\.compile|torch\.compile t(?:akes|ook)|Dynamo bytecode|Compiling a graph"
            r"|Warming up model for the compilation"
        ),
        "compiling",
    ),
    (re.compile(r"Capturing CUDA graph|Graph capturing"), "capturing"),
    (re.compile(r"Starting vLLM server on|Application startup complete"), "serving"),
)
"""vLLM's own words (0.12 to 0.33) for how far a start is; it also names torch.compile to say that it does without."""

ERROR_LINE = re.compile(r"(?:^|\s)(?:[\w.]*(?:Error|Exception|OutOfMemory\w*)\b: |vllm[\w ]*: error: |Killed$).*")
FAILURE_CLASSES = (
    (
        "configuration",
        re.compile(
            r"unrecognized arguments|invalid choice|error: argument|invalid (?:tool call|reasoning) parser"
            r"|must be divisible by tensor parallel|is greater than the derived max_model_len|HFValidationError"
            r"|are not supported for now|larger than the available KV cache memory|ValidationError"
            r"|Cannot access gated repo|No such file or directory|requires --tool-call-parser|has not been registered"
        ),
    ),
    ("hardware", re.compile(r"uncorrectable ECC|\bXid\b|illegal memory access|unspecified launch failure|device type")),
    ("memory", re.compile(r"OutOfMemory|out of memory|Free memory on device|No available memory for the cache")),
)
"""What a failure is, by its error lines: only what may pass by itself is worth another try in the same place."""
NO_RESTART = ("configuration", "hardware")

SOCKET = re.compile(r"^socket:\[(\d+)\]$")
WRAPPER = re.compile(r"See root cause above|EngineDeadError|Engine core initialization failed")
"""Lines that only repeat that something failed; the cause stands before them."""


def clock() -> float:
    """Unix seconds of this node's clock, which may be set: for what others compare with theirs."""
    return time.time()


BEGAN = clock() - time.monotonic()


def now() -> float:
    """Unix seconds as they pass, by the clock as it was when this program began: for waits and durations."""
    return BEGAN + time.monotonic()


def stepped_s() -> float:
    """By how much the clock was set since then; what it was slewed by is less than a second, and nothing."""
    step_s = clock() - now()
    return step_s if abs(step_s) >= 1.0 else 0.0


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


def take_lock(file: TextIO) -> None:
    """Lock an open file until it is closed, if its file system locks at all. Raises OSError if somebody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


# --- processes ---------------------------------------------------------------------------------------------------


def process_table(pids: Optional[Iterable[str]] = None) -> Dict[int, Tuple[int, int, str]]:
    """pid → (session, start time in clock ticks, state) of these or all processes; zombies have the state Z."""
    table = {}
    for entry in os.listdir("/proc") if pids is None else pids:
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_bytes().decode(errors="replace")
            except OSError:
                continue  # ended meanwhile
            fields = stat[stat.rindex(")") + 2 :].split()
            table[int(entry)] = (int(fields[3]), int(fields[19]), fields[0])
    return table


class Server:
    """The process of a replica: started by this agent, or by one before it that was killed, and adopted."""

    def __init__(self, pid: int, started_ticks: int, child: Optional[subprocess.Popen[bytes]] = None) -> None:
        self.pid = pid
        self.started_ticks = started_ticks
        self.child = child

    @classmethod
    def start(cls, argv: List[str], environment: Dict[str, str], directory: str, output: BinaryIO) -> Server:
        """Start a command in a session of its own. Raises OSError."""
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
        return cls(child.pid, started_ticks(child.pid) or 0, child)

    def ended(self) -> bool:
        """Whether it is no more; a process that only has its pid now is another one."""
        if self.child is not None:
            return self.child.poll() is not None
        return started_ticks(self.pid) != self.started_ticks

    @property
    def status(self) -> Optional[int]:
        """How it ended, negative for a signal; None if that is not known, as for an adopted one."""
        return self.child.returncode if self.child is not None else None

    def session(self) -> List[int]:
        """Its live processes, itself included: a killed vLLM leaves its engine and workers behind in its session."""
        return [pid for pid, (sid, _, state) in process_table().items() if sid == self.pid and state not in "ZX"]


def started_ticks(pid: int) -> Optional[int]:
    """When a live process started, in clock ticks since boot: with its pid it names one process for ever."""
    entry = process_table((str(pid),)).get(pid)
    return None if entry is None or entry[2] in "ZX" else entry[1]


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


def sockets(pids: Iterable[int]) -> Set[str]:
    """Inodes of the sockets that these processes hold, as strings."""
    inodes = set()
    for pid in pids:
        try:
            for descriptor in os.listdir("/proc/%d/fd" % pid):
                match = SOCKET.match(os.readlink("/proc/%d/fd/%s" % (pid, descriptor)))
                if match:
                    inodes.add(match.group(1))
        except OSError:
            continue
    return inodes


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
    import http.client

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
        payload = read_answer(response, time.monotonic() + timeout_s)
    except (OSError, http.client.HTTPException) as error:
        raise ProbeFailed("%s: %s" % (path, error or type(error).__name__)) from None
    finally:
        connection.close()
    if response.status != 200:
        raise ProbeFailed("%s: HTTP %d %s" % (path, response.status, payload[:200].decode(errors="replace")))
    return payload


def read_answer(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, up to ANSWER_LIMIT; the time-out of the connection is for each read, the deadline for all of them."""
    payload = b""
    while len(payload) < ANSWER_LIMIT:
        piece = response.read1(1 << 16)
        if not piece:
            break
        payload += piece
        if time.monotonic() > deadline:
            raise socket.timeout("the answer did not end in time")
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


QUEUE_FULL = re.compile(r"HTTP (?:429|503 .*engine is currently busy)")
"""How a server says that it has too much to do: vLLM's limit on its queue, or what stands before it."""


class Busy(Exception):
    """It cannot be asked in this moment: another server of the model is, or it has work meanwhile."""


def idle_completion(lock: Path, address: str, port: int, model: str, argv: List[str], timeout_s: float) -> None:
    """A completion of a few tokens, of one server of a model at a time, whatever node it is on.

    It stands behind all other work where the server knows priorities. Raises ProbeFailed, Busy.
    """
    try:
        file = lock.open("a")
    except OSError:
        raise Busy from None  # a run directory that has vanished says nothing of the server
    with file:
        try:
            take_lock(file)
        except OSError:
            raise Busy from None
        body: Dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": "Say ok."}],
            "max_tokens": IDLE_TOKENS,
            "temperature": 0,
        }
        if "--scheduling-policy=priority" in "=".join(argv):  # older versions refuse a priority without it
            body["priority"] = LOWEST_PRIORITY
        try:
            answer = json.loads(fetch(address, port, "/v1/chat/completions", body, timeout_s).decode())
            answer["choices"][0]["message"]
        except ProbeFailed as error:
            if QUEUE_FULL.search(str(error)):
                raise Busy from None
            raise
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ProbeFailed("completion: unreadable answer (%s)" % error) from None


# --- what /metrics says ------------------------------------------------------------------------------------------

METRICS = {
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:num_requests_waiting_by_reason": "waiting_by_reason",
    "vllm:kv_cache_usage_perc": "kv_cache",
    "vllm:gpu_cache_usage_perc": "kv_cache",
    "vllm:generation_tokens_total": "generation_tokens",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:request_success_total": "finished",
    "vllm:num_preemptions_total": "preemptions",
    "vllm:prefix_cache_queries_total": "prefix_queries",
    "vllm:gpu_prefix_cache_queries_total": "prefix_queries",
    "vllm:prefix_cache_hits_total": "prefix_hits",
    "vllm:gpu_prefix_cache_hits_total": "prefix_hits",
    "vllm:time_to_first_token_seconds": "ttft",
    "vllm:e2e_request_latency_seconds": "e2e",
    "vllm:request_queue_time_seconds": "queue",
    "vllm:inter_token_latency_seconds": "itl",
    "vllm:time_per_output_token_seconds": "itl",
    "http_requests_total": "http",
    "process_start_time_seconds": "process_start",
}
"""Names of vLLM 0.9 to 0.33 → what they mean; of several names for one thing the first that a server has counts."""
GAUGES = ("running", "waiting", "waiting_by_reason", "kv_cache", "process_start")
HISTOGRAMS = ("ttft", "e2e", "queue", "itl")
METRIC_LINES = 20000
MOST = 1e18
"""What is beyond is no count and no time; sums of numbers below it stay finite."""
METRIC = re.compile(
    r"^(%s)(_bucket|_sum|_count)?(?:\{(.*)\})?[ \t]+([^\s#]+)(?:[ \t]+-?\d+)?[ \t]*\r?$"
    % "|".join(sorted(map(re.escape, METRICS), key=len, reverse=True)),
    re.MULTILINE,
)
NO_HTTP_YET = re.compile(r"^# TYPE http_requests_total ", re.MULTILINE)
"""These are declared before the first response is counted: what comes then has been none before."""
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
WINDOW_S = 60.0
"""What rates and quantiles are over: as much of the last minute as was scraped."""
WINDOW_SLACK_S = 5.0
ROW = (
    *("attempt", "running", "waiting", "kv_cache", "seconds", "generation_tokens", "prompt_tokens", "finished"),
    *("preemptions", "prefix_queries", "prefix_hits", "http", "failed"),
)
"""The numbers of a row of metrics/<replica>.jsonl in their order; from `seconds` on: since the row before."""
BOUNDS_EVERY = 500
"""Rows after which the bounds of the buckets are written again; a row has only their places among them."""
METRICS_FILE_LIMIT = 8 << 20
"""Bytes of such a file before it is put aside, in place of the one that was put aside before: days of samples."""
METRICS_PATIENCE_S = 120.0
"""A server that does not answer for its metrics is asked ever more rarely, up to this."""
TIMES_OF_LOAD = ("waiting_since", "restarted_at")
NO_LIMITS = {"stuck_s": 60.0, "wedged_s": 60.0, "failing_share": 0.5, "failing_least": 5}
"""What makes a server that answers /health degraded all the same, unless the job says otherwise."""

Series = Dict[str, Dict[str, float]]
"""What is measured → its series, by their labels as text → value; the parts of a histogram are e2e_bucket and so on."""


def read_metrics(text: str) -> Series:
    """The series of METRICS; what is not reported, or is no finite number, is not there."""
    found: Dict[str, Series] = {}
    for number_, match in enumerate(METRIC.finditer(text)):
        if number_ >= METRIC_LINES:
            break
        name, part, labels, value = match.groups()
        try:
            read = float(value)
        except ValueError:
            continue
        key = METRICS[name]
        if part == "_bucket" and not is_bound(labels_of(labels or "").get("le", "")):
            continue
        if abs(read) < MOST and (key in HISTOGRAMS) == bool(part):
            found.setdefault(name, {}).setdefault(key + (part or ""), {})[labels or ""] = read
    chosen: Series = {}
    told: Set[str] = set()
    for name, key in METRICS.items():
        if name in found and key not in told:
            told.add(key)
            chosen.update(found[name])
    if NO_HTTP_YET.search(text):
        chosen.setdefault("http", {})
    return chosen


def is_bound(text: str) -> bool:
    """Whether this is the upper bound of a bucket: a server that names none, or no number, must end nobody."""
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def labels_of(text: str) -> Dict[str, str]:
    return dict(LABEL.findall(text))


def by_label(series: Dict[str, float], label: str) -> Dict[str, float]:
    """Sums by the value of one label."""
    sums: Dict[str, float] = {}
    for text, value in series.items():
        name = labels_of(text).get(label, "")
        sums[name] = sums.get(name, 0.0) + value
    return sums


def quantile(buckets: Dict[str, float], q: float) -> Optional[float]:
    """The quantile of a histogram from its cumulative counts by `le`, linear within a bucket; None of nothing.

    Beyond the last finite bound it is that bound: the least that it can be.
    """
    bounds = sorted((float(le), count) for le, count in buckets.items())
    if not bounds or bounds[-1][1] <= 0:
        return None
    rank, low, below = q * bounds[-1][1], 0.0, 0.0
    for high, count in bounds:
        if count >= rank and count > below:
            return low if math.isinf(high) else low + (high - low) * (rank - below) / (count - below)
        low, below = high, max(below, count)
    return low


def rounded(value: Optional[float], digits: int) -> Optional[float]:
    """Short in a file: whole numbers without a point."""
    if value is None or not math.isfinite(value):
        return None
    value = round(value, digits)
    return int(value) if value == int(value) else value


class Meter:
    """What the scrapes of one attempt of a server add up to: its load, a row for the history, and whether it is well.

    Counters are compared from scrape to scrape, by the scrapes' own times. If one went back, or the process is another,
    all began anew, and count from there.
    """

    def __init__(self, limits: Dict[str, Any]) -> None:
        self.limits = {**NO_LIMITS, **limits}
        self.at: Optional[float] = None
        self.seen: Series = {}
        self.seconds: Optional[float] = None
        self.grown: Series = {}
        self.window: Deque[Tuple[float, Series]] = collections.deque()
        self.restarted_at: Optional[float] = None
        self.rows_to_bounds = 0
        self.since: Dict[str, Tuple[float, float]] = {}
        """stuck, wedged, waiting → when that began, and how many waited then."""

    def take(self, at: float, seen: Series) -> None:
        """The next scrape, asked for at `at` (Unix seconds)."""
        before, self.seen = self.seen, seen
        begun, self.at = self.at, at
        self.seconds, self.grown = None, {}
        if begun is not None and at > begun:
            anew = self.began_anew(before)
            if anew:
                self.restarted_at = at
            self.seconds = at - begun
            self.grown = {
                key: {
                    labels: value - (0.0 if anew else before[key].get(labels, 0.0)) for labels, value in series.items()
                }
                for key, series in seen.items()
                if key not in GAUGES and key in before
            }
            self.window.append((self.seconds, self.grown))
            while len(self.window) > 1 and sum(seconds for seconds, _ in self.window) > WINDOW_S + WINDOW_SLACK_S:
                self.window.popleft()
        self.judge(at if begun is None else begun, at)

    def began_anew(self, before: Series) -> bool:
        """Whether the server counts from the start again."""
        start, started = (self.total(series, "process_start") for series in (before, self.seen))
        if start is not None and started is not None and abs(started - start) > 1.0:
            return True
        return any(
            value < before.get(key, {}).get(labels, 0.0)
            for key, series in self.seen.items()
            if key not in GAUGES
            for labels, value in series.items()
        )

    def judge(self, begun: float, at: float) -> None:
        """Since when something is not as it should be."""
        running, waiting = self.total(self.seen, "running"), self.total(self.seen, "waiting")
        steps = [self.total(self.grown, key) for key in ("generation_tokens", "prompt_tokens", "finished")]
        idle = self.seconds is not None and None not in steps and not any(steps)
        for what, true in (
            ("stuck", idle and bool(running)),
            ("wedged", idle and running == 0 and bool(waiting)),
            ("waiting", bool(waiting)),
        ):
            if not true:
                self.since.pop(what, None)
            elif what not in self.since:
                self.since[what] = (at if what == "waiting" else begun, waiting or 0.0)

    @staticmethod
    def total(series: Series, key: str) -> Optional[float]:
        return sum(series[key].values()) if series.get(key) else None

    def increase(self, key: str) -> Optional[float]:
        """Over the window; None if that is not known."""
        known = [total for total in (self.total(grown, key) for _, grown in self.window) if total is not None]
        return sum(known) if known else None

    def rate(self, key: str) -> Optional[float]:
        """A second, over the window."""
        increase = self.increase(key)
        seconds = sum(seconds for seconds, grown in self.window if key in grown)
        return None if increase is None or seconds <= 0 else increase / seconds

    def buckets(self, key: str) -> Dict[str, float]:
        """Observations of the window by bound, cumulative, over all engines."""
        sums: Dict[str, float] = {}
        for _, grown in self.window:
            for bound, count in by_label(grown.get(key + "_bucket", {}), "le").items():
                sums[bound] = sums.get(bound, 0.0) + count
        return sums

    def share(self, part: Optional[float], whole: Optional[float]) -> Optional[float]:
        return None if part is None or not whole else part / whole

    def http(self, grown: Series) -> Tuple[Optional[float], Optional[float]]:
        """Responses of the API, and how many of them were 5xx; /v1/models is asked by us all the time, and left out."""
        if "http" not in grown:
            return None, None
        answers = failed = 0.0
        for text, count in grown["http"].items():
            labels = labels_of(text)
            handler = labels.get("handler", "")
            if handler.startswith("/v1/") and handler != "/v1/models":
                answers += count
                failed += count if labels.get("status", "").startswith("5") else 0.0
        return answers, failed

    def failures(self) -> Tuple[float, float]:
        """Responses of the API over the window, and how many of them were 5xx."""
        pairs = [self.http(grown) for _, grown in self.window]
        return sum(each or 0.0 for each, _ in pairs), sum(failed or 0.0 for _, failed in pairs)

    def unwell(self) -> str:
        """Why this server is not well although it answers /health; empty if nothing says so."""
        if self.at is None:
            return ""
        limits = self.limits
        lasted = {what: self.at - since for what, (since, _) in self.since.items()}
        if lasted.get("stuck", 0.0) >= limits["stuck_s"]:
            running = self.total(self.seen, "running") or 0.0
            return "stuck: %d requests run and no token came for %d s" % (running, lasted["stuck"])
        waiting = self.total(self.seen, "waiting") or 0.0
        if lasted.get("wedged", 0.0) >= limits["wedged_s"] and waiting >= self.since["wedged"][1]:
            return "wedged: %d requests wait and none has run for %d s" % (waiting, lasted["wedged"])
        answers, failed = self.failures()
        if failed >= limits["failing_least"] and failed >= limits["failing_share"] * answers:
            return "failing: %d of %d requests of the last minute were answered with 5xx" % (failed, answers)
        return ""

    def load(self) -> Dict[str, Any]:
        """What the state of a replica tells; None is "not reported"."""
        seen = self.seen
        queries, hits = self.increase("prefix_queries"), self.increase("prefix_hits")
        preemptions = self.rate("preemptions")
        reasons = seen.get("waiting_by_reason")
        answers, failed = self.failures()
        figures: Dict[str, Any] = {
            "running": self.total(seen, "running"),
            "waiting": self.total(seen, "waiting"),
            "waiting_by_reason": by_label(reasons, "reason") if reasons else None,
            "kv_cache": max(seen["kv_cache"].values()) if seen.get("kv_cache") else None,
            "generation_tokens_s": self.rate("generation_tokens"),
            "prompt_tokens_s": self.rate("prompt_tokens"),
            "requests_s": self.rate("finished"),
            "prefix_hit_share": self.share(hits, queries),
            "preemptions_per_min": None if preemptions is None else 60 * preemptions,
            "failed_share": self.share(failed, answers),
            "queue_s": self.share(self.increase("queue_sum"), self.increase("queue_count")),
            "itl_s": self.share(self.increase("itl_sum"), self.increase("itl_count")),
            "itl_usual_s": self.share(self.total(seen, "itl_sum"), self.total(seen, "itl_count")),
            "window_s": sum(seconds for seconds, _ in self.window) or None,
            "waiting_since": self.since["waiting"][0] if "waiting" in self.since else None,
            "restarted_at": self.restarted_at,
            "process_start": self.total(seen, "process_start"),
        }
        for key in ("preemptions", "prefix_queries", "prefix_hits"):
            figures["%s_total" % key] = self.total(seen, key)
        for key in HISTOGRAMS:
            buckets = self.buckets(key)
            figures["%s_p50_s" % key], figures["%s_p99_s" % key] = quantile(buckets, 0.5), quantile(buckets, 0.99)
        return figures

    def row(self, attempt: int, step_s: float = 0.0) -> Dict[str, Any]:
        """One line of the history: numbers in the order of ROW, and what each bucket observed if it did.

        `step_s`: by how much the clock was set meanwhile.
        """
        kv_cache = self.seen.get("kv_cache")
        answers, failed = self.http(self.grown)
        figures: List[Optional[float]] = [
            attempt,
            self.total(self.seen, "running"),
            self.total(self.seen, "waiting"),
            rounded(max(kv_cache.values()), 3) if kv_cache else None,
            rounded(self.seconds, 1),
            *(self.total(self.grown, key) for key in ROW[5:11]),
            answers,
            failed,
        ]
        row: Dict[str, Any] = {
            "t": rounded((self.at or 0.0) + step_s, 1),
            "v": [rounded(figure, 3) for figure in figures],
        }
        bounds = {}
        for key, letter in (("ttft", "T"), ("e2e", "E")):
            seen = map(float, by_label(self.seen.get(key + "_bucket", {}), "le"))
            bounds[letter] = sorted(bound for bound in seen if math.isfinite(bound))
            cumulative = {float(le): n for le, n in by_label(self.grown.get(key + "_bucket", {}), "le").items()}
            below, counts = 0.0, []  # type: float, List[Optional[float]]
            for place, bound in enumerate([*bounds[letter], math.inf]):
                count = cumulative.get(bound, below)
                if count > below:
                    counts += [place, rounded(count - below, 0)]
                    below = count
            if counts:
                row[letter] = counts
        for key, letter in (("queue", "Q"), ("itl", "I")):
            observed = self.total(self.grown, key + "_count")
            if observed:
                row[letter] = [rounded(self.total(self.grown, key + "_sum"), 3), rounded(observed, 0)]
        if self.rows_to_bounds <= 0 and any(bounds.values()):
            row["b"] = bounds
            self.rows_to_bounds = BOUNDS_EVERY
        self.rows_to_bounds -= 1
        return row


# --- a replica ---------------------------------------------------------------------------------------------------


class Replica:
    """One server under supervision: its process, its log, its levels of readiness, and the file that tells of them."""

    def __init__(self, spec: Dict[str, Any], job: Agent, pool: ThreadPoolExecutor) -> None:
        self.spec = spec
        self.job = job
        self.pool = pool
        self.name: str = spec["name"]
        self.attempt = 0
        self.server: Optional[Server] = None
        self.start_at: Optional[float] = now() + spec["delay_s"]
        self.phase = "waiting"
        self.phase_since = now()
        self.phases: List[Tuple[str, float]] = [("waiting", self.phase_since)]
        self.why = "starts in %d s" % spec["delay_s"] if spec["delay_s"] else ""
        self.level: Optional[str] = None
        self.started_at: Optional[float] = None
        self.ready_at: Optional[float] = None
        self.exit_status: Optional[int] = None
        self.failure = ""
        self.restarts = 0
        self.log_offset = 0
        self.log_rest = b""
        self.errors: Deque[str] = collections.deque(maxlen=20)
        self.signals_sent = 0
        self.start_again = False
        self.drain_from = 0.0
        self.drain_until: Optional[float] = None
        self.proof: Optional[Future[str]] = None
        self.failed_probes = 0
        self.next_probe = 0.0
        self.probe: Optional[Future[str]] = None
        self.load: Dict[str, Any] = {}
        self.meter = Meter(self.job.spec.get("verdicts") or {})
        self.next_metrics = 0.0
        self.failed_scrapes = 0
        self.load_at = self.scraped_at = 0.0
        self.metrics: Optional[Future[Series]] = None
        self.completion: Optional[Future[None]] = None
        self.next_completion = self.completion_later()
        self.failed_completions = 0
        self.completion_error = ""
        self.written = ""
        self.written_at = 0.0
        self.place = REPLICAS
        self.follows = ""
        self.adopt()

    @property
    def log(self) -> Path:
        return self.job.logs / ("%s.%d.log" % (self.name, self.attempt))

    def enter(self, phase: str, why: str = "") -> None:
        """Change the phase; the time in it starts anew only if it is another one."""
        if phase != self.phase:
            self.phase, self.phase_since = phase, now()
            self.phases.append((phase, self.phase_since))
            say("%s %s%s" % (self.name, phase, ": " + why if why else ""))
        self.why = why

    # starting and stopping

    def claim(self) -> Optional[Dict[str, Any]]:
        """What the run directory says of this replica now; None if nobody has said anything yet.

        Raises OSError, ValueError, KeyError or TypeError if that is not known.
        """
        directory = self.job.run_dir / REPLICAS
        try:
            state: Dict[str, Any] = read_json(directory / (self.name + ".json"))
        except FileNotFoundError:
            os.listdir(str(directory))  # where it is gone altogether nothing is known of what is in it
            return None
        if not isinstance(state["job_id"], str) or not isinstance(state["attempt"], int):
            raise TypeError("not the state of a replica")
        return state

    def adopt(self) -> None:
        """Take over what was before this agent.

        Of one of this very job that was killed: its server, if that lives; else what is left of it is ended. Of one in
        another job: its place, at once if that one is silent or done, else when the own server is ready.
        """
        try:
            before = self.claim()
        except (OSError, ValueError, KeyError, TypeError):
            before = None
        if before is None:
            return
        self.attempt = before["attempt"]
        if before["job_id"] != self.job.job_id:
            self.follows = before["job_id"]
            if alive(before):
                self.place = SUCCESSORS
            return
        if before["phase"] in SETTLED:
            self.start_at = None
            self.enter(before["phase"], before["why"])
        pid = before.get("pid")
        if not pid:
            return
        ticks = started_ticks(pid) if before.get("node") == self.job.node else None
        if ticks is not None and ticks == before.get("started_ticks"):
            self.server = Server(pid, ticks)
            self.start_at, self.started_at, self.ready_at = None, before["started_at"], before["ready_at"]
            self.log_offset = self.log.stat().st_size if self.log.exists() else 0
            self.enter("serving" if self.ready_at else before["phase"], "taken over from an agent that was killed")
        else:
            signal_all(marked_processes(self.job.run_dir, self.name), signal.SIGKILL)

    def keep_place(self) -> None:
        """Before each writing: whose place it is. A successor takes it when it is ready, or when it has become free."""
        if self.place == PREDECESSORS:
            return
        try:
            there = self.claim()
        except (OSError, ValueError, KeyError, TypeError):
            return  # it is as it was until something else is known
        if self.place == SUCCESSORS:
            if self.phase == "ready" or there is None or not alive(there):
                say("%s takes over from job %s" % (self.name, self.follows))
                self.place = REPLICAS
                with contextlib.suppress(OSError):
                    (self.job.run_dir / SUCCESSORS / (self.name + ".json")).unlink()
        elif there is not None and there["job_id"] not in (self.job.job_id, self.follows):
            self.place = PREDECESSORS
            why = "job %s took over" % there["job_id"]
            say("%s: %s" % (self.name, why))
            self.drain(now() + max(DRAIN_LEAST_S, self.job.spec["grace_s"]), why)

    def start(self) -> None:
        """Start the next attempt in a session of its own, with its own GPUs, caches and log."""
        self.start_at = self.level = self.exit_status = self.ready_at = None
        self.log_offset, self.log_rest, self.failed_probes, self.next_probe = 0, b"", 0, 0.0
        self.errors.clear()
        self.failure = ""
        self.phases.clear()
        self.load, self.meter = {}, Meter(self.job.spec.get("verdicts") or {})
        self.next_metrics, self.failed_scrapes = 0.0, 0
        self.failed_completions, self.next_completion = 0, self.completion_later()
        # What still runs of the last attempt says nothing about this one.
        self.probe = self.metrics = self.completion = None
        self.started_at = now()
        try:
            Path(self.spec["cache"]).mkdir(parents=True, exist_ok=True)
            with self.next_log() as output:
                self.server = Server.start(self.spec["argv"], self.environment(), str(self.job.run_dir), output)
        except OSError as error:
            self.server = None
            self.errors.append(str(error))
            self.fail("could not be started: %s" % error)
            return
        self.enter("starting")

    def next_log(self) -> BinaryIO:
        """The log of the next attempt; another job may have made more attempts meanwhile than this one knows of."""
        while True:
            self.attempt += 1
            with contextlib.suppress(FileExistsError):
                return self.log.open("xb")

    def environment(self) -> Dict[str, str]:
        """The job's environment with the replica's own: GPUs, caches, and marks by which its processes are known."""
        cache = self.spec["cache"]
        environment = dict(os.environ)
        environment.update(self.spec["env"])
        environment["CUDA_VISIBLE_DEVICES"] = self.visible_devices()
        environment["VLLM_CACHE_ROOT"] = cache + "/vllm"
        environment["TORCHINDUCTOR_CACHE_DIR"] = cache + "/inductor"
        environment.setdefault("TRITON_CACHE_DIR", cache + "/triton")
        environment[RUN_MARK] = str(self.job.run_dir)
        environment[REPLICA_MARK] = self.name
        return environment

    def visible_devices(self) -> str:
        """The replica's GPUs by number within the job's allocation, which on a shared node need not start at 0."""
        allocated = [device for device in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]
        wanted: List[int] = self.spec["gpus"]
        if wanted and max(wanted) < len(allocated):
            return ",".join(allocated[gpu] for gpu in wanted)
        return ",".join(str(gpu) for gpu in wanted)

    def stop(self, why: str, start_again: bool = False) -> None:
        """Begin to stop; `tick` goes on with it until nothing of the replica is left."""
        self.start_again = start_again
        self.start_at = None
        self.restarts = 0
        if self.server is None and self.phase != "stopping":
            self.after_stop()
        elif self.phase != "stopping":
            self.signals_sent = 0
            self.enter("stopping", why)

    def drain(self, until: float, why: str) -> None:
        """Take no new work: who routes requests sees it; stop when the last one is answered, or at the latest then."""
        if self.phase == "ready":
            self.drain_from, self.drain_until = now() + DRAIN_LEAST_S, until
            self.next_metrics = self.drain_from
            self.enter("draining", why)
        elif self.phase not in (*SETTLED, "stopping", "draining") or self.start_at is not None:
            self.stop(why)

    def continue_stop(self) -> None:
        """TERM, after half the time TERM again (vLLM swallows one while it starts), then KILL, until all are gone."""
        assert self.server is not None
        ended = self.server.ended()
        left = self.server.session()
        if ended and not left:
            self.exit_status = self.server.status
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
        """Nothing of the replica runs any more: start it again, or have that proved."""
        self.server = None
        self.level = self.drain_until = None
        self.load = {}
        if self.start_again:
            self.start_again = False
            self.start_at = now()
            self.enter("waiting")
        else:
            self.proof = self.pool.submit(self.job.prove_stopped, self.spec["port"], self.visible_devices())
            self.enter("stopping", self.why)

    def ended(self) -> None:
        """The server's main process ended by itself: that is a failure, and what it left behind is ended too."""
        assert self.server is not None
        self.exit_status = status = self.server.status
        left = self.server.session()
        signal_all(left, signal.SIGKILL)
        self.read_log()
        how = "ended, its status is not known"
        if status is not None:
            how = "killed by signal %d" % -status if status < 0 else "exited with status %d" % status
        self.server = None
        self.level = None
        self.load = {}
        self.fail(how + (" and left %d processes, ended" % len(left) if left else ""))

    def fail(self, why: str) -> None:
        """Failed: say what class of failure it is, and try again if the policy allows and that may help."""
        self.failure = next(
            (name for name, pattern in FAILURE_CLASSES if any(map(pattern.search, self.errors))), "other"
        )
        if self.ready_at is not None and now() - self.ready_at > self.spec["restart"]["healthy_s"]:
            self.restarts = 0
        policy = self.spec["restart"]
        if self.failure not in NO_RESTART and self.restarts < policy["attempts"] and not self.job.stopping:
            delay_s = min(policy["backoff_s"] * 2**self.restarts, policy["backoff_max_s"])
            self.restarts += 1
            self.start_at = now() + delay_s
            why += "; restart %d of %d in %d s" % (self.restarts, policy["attempts"], delay_s)
        self.enter("failed", why)

    # looking

    def tick(self) -> None:
        """Move on by one step; never blocks."""
        if self.phase == "stopping":
            if self.server is not None:
                self.continue_stop()
            elif self.proof is not None and self.proof.done():
                self.enter("stopped", self.proof.result())
                self.proof = None
        elif self.start_at is not None and now() >= self.start_at and self.job.may_start(self):
            self.start()
        elif self.server is not None:
            self.read_log()
            if self.server.ended():
                self.ended()
            else:
                self.level = self.level or "alive"
                self.take_probe()
                self.take_metrics()
                self.take_completion()
                if self.drain_until is not None and now() > self.drain_from:
                    idle = self.load.get("running") == 0 and self.load_at > self.drain_from
                    if idle or now() > self.drain_until:
                        self.stop("%s; %s" % (self.why, "drained" if idle else "not drained in time"))
        self.write()

    @property
    def late(self) -> str:
        """What to say of a start that takes longer than it may."""
        limit = float(self.spec["start_timeout_s"])
        if self.server is None or self.ready_at is not None or self.started_at is None:
            return ""
        return "not ready after %d s; " % limit if now() - self.started_at > limit else ""

    def read_log(self) -> None:
        """Take the new bytes of the log: how far the start is, and lines that look like errors."""
        try:
            with self.log.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self.log_offset:
                    self.log_offset, self.log_rest = 0, b""  # truncated, or another file by now
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
            server = self.server
            inodes = listeners(port)
            if server is not None and inodes - sockets(server.session()):
                raise ProbeFailed("port %d belongs to a process that is not ours, or to one more" % port)
            reached = "identity"
            if first and self.spec["probe"] != "none":
                probe_completion(address, port, model, self.spec["probe"])
            return "completion"
        except ProbeFailed as error:
            raise LevelFailed(reached, str(error)) from None

    def probed(self, reached: str, why: str) -> None:
        """Take one probe's result: ready needs all levels, and three failures in a row make a ready one degraded."""
        if self.phase in ("stopping", "draining", *SETTLED):
            return
        if reached == "completion":
            self.failed_probes = 0
            self.level = "identity" if self.unanswered() else reached
            self.ready_at = self.ready_at or now()
            self.enter_by_health()
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

    def enter_by_health(self) -> None:
        """Ready, or degraded if what the server counts says that it answers /health and does not work."""
        unwell = self.meter.unwell() or self.unanswered()
        self.enter("degraded" if unwell else "ready", unwell)

    def completion_later(self) -> float:
        """When an idle server is asked for a completion: not all at the same time."""
        return now() + self.job.completion_s * random.uniform(0.5, 1.5)  # noqa: S311 - no secret

    def unanswered(self) -> str:
        """What the last completions say against this server; nothing before several in a row have failed."""
        if self.failed_completions < FAILED_COMPLETIONS_DEGRADED:
            return ""
        word = "failing" if "HTTP" in self.completion_error else "wedged"
        said = "%s: %d completions in a row failed while /health answers: %s"
        return said % (word, self.failed_completions, self.completion_error)

    def take_completion(self) -> None:
        """Ask a server that has served nobody for a while for a completion, and take its result when it is there."""
        if self.completion is not None and self.completion.done():
            completion, self.completion = self.completion, None
            error = completion.exception()
            if isinstance(error, Busy):
                self.next_completion = now() + random.uniform(1.0, 5.0)  # noqa: S311 - no secret
                return
            if isinstance(error, ProbeFailed):
                self.failed_completions += 1
                self.completion_error = str(error)[:200]
                self.next_completion = now() + min(COMPLETION_AGAIN_S, self.job.completion_s)
            elif error is not None:
                raise error
            else:
                self.served()
            if self.phase in ("ready", "degraded") and self.failed_probes == 0:
                self.enter_by_health()
        elif self.completion is None and self.wants_completion():
            lock = self.job.run_dir / "control" / (".completion-%s.lock" % re.sub(r"[^\w.-]", "_", self.spec["model"]))
            timeout_s = min(IDLE_COMPLETION_TIMEOUT_S, self.job.completion_s)
            where = self.job.probe_address, self.spec["port"], self.spec["model"], self.spec["argv"]
            self.completion = self.pool.submit(idle_completion, lock, *where, timeout_s)

    def wants_completion(self) -> bool:
        """Whether it is time, and the server has nothing to do: what becomes of its work is seen by other means."""
        if not self.job.completion_s or self.spec["probe"] == "none" or now() < self.next_completion:
            return False
        busy = self.load.get("running") or self.load.get("waiting")
        return self.phase in ("ready", "degraded") and self.failed_probes == 0 and not busy

    def served(self) -> None:
        """It has answered a request, ours or somebody's."""
        self.failed_completions = 0
        self.next_completion = self.completion_later()

    def take_metrics(self) -> None:
        """Scrape /metrics now and then once the server answers; a scrape that fails leaves a gap with its reason."""
        if self.metrics is not None and self.metrics.done():
            scrape, self.metrics = self.metrics, None
            error = scrape.exception()
            if isinstance(error, ProbeFailed):
                self.load = {}
                self.failed_scrapes += 1
                if self.drain_until is None:
                    wait_s = min(self.job.metrics_s * 2 ** min(self.failed_scrapes, 8), METRICS_PATIENCE_S)
                    self.next_metrics = self.scraped_at + wait_s
                sample: Dict[str, Any] = {"t": rounded(self.scraped_at + stepped_s(), 1), "e": str(error)[:200]}
            elif error is not None:
                raise error
            else:
                self.failed_scrapes = 0
                self.load_at = self.scraped_at
                self.meter.take(self.scraped_at, scrape.result())
                self.load = self.meter.load()
                if self.meter.total(self.meter.grown, "generation_tokens"):
                    self.served()
                sample = self.meter.row(self.attempt, stepped_s())
                # A probe that fails has its own say, and its own way back.
                if self.phase in ("ready", "degraded") and self.failed_probes == 0:
                    self.enter_by_health()
            line = json.dumps(sample, separators=(",", ":"))
            if self.job.append("metrics/%s.jsonl" % self.name, line, METRICS_FILE_LIMIT):
                self.meter.rows_to_bounds = 0
        elif self.metrics is None and self.ready_at is not None and now() >= self.next_metrics:
            self.next_metrics = now() + (TICK_S if self.drain_until is not None else self.job.metrics_s)
            self.scraped_at = now()
            address, port = self.job.probe_address, self.spec["port"]
            self.metrics = self.pool.submit(
                lambda: read_metrics(fetch(address, port, "/metrics").decode(errors="replace"))
            )

    def last_error(self) -> str:
        """The newest error line of a replica that failed; a healthy log may hold such lines too."""
        return self.errors[-1] if self.errors and self.phase == "failed" else ""

    def write(self) -> None:
        """Write the state when it changed, and as a heartbeat."""
        step_s = float(round(stepped_s()))

        def told(at: Optional[float]) -> Optional[float]:
            """A time of ours by the clock as it is now: who reads it has no other."""
            return None if at is None else at + step_s

        load = {key: told(value) if key in TIMES_OF_LOAD else value for key, value in self.load.items()}
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
            "phase_since": told(self.phase_since),
            "phases": [(phase, told(at)) for phase, at in self.phases[-20:]],
            "why": self.late + self.why,
            "level": self.level,
            "pid": self.server.pid if self.server else None,
            "started_ticks": self.server.started_ticks if self.server else None,
            "failure": self.failure,
            "restart_at": told(self.start_at) if self.phase == "failed" else None,
            "attempt": self.attempt,
            "exit_status": self.exit_status,
            "last_error": self.last_error(),
            "log": "%s/%s" % (self.job.spec["logs"], self.log.name) if self.attempt else "",
            "started_at": told(self.started_at),
            "ready_at": told(self.ready_at),
            "load": load,
        }
        text = json.dumps(state)
        if text == self.written and now() - self.written_at < HEARTBEAT_S:
            return
        self.keep_place()
        state["heartbeat_at"] = clock()
        if self.job.write("%s/%s.json" % (self.place, self.name), state):
            self.written, self.written_at = text, now()


def alive(state: Dict[str, Any]) -> bool:
    """Whether the agent that wrote a replica's state still has something to do with it; unknown counts as yes."""
    try:
        over = state["phase"] in SETTLED and state.get("restart_at") is None
        return not over and clock() - state["heartbeat_at"] <= SILENT_S
    except (KeyError, TypeError):
        return True


class LevelFailed(Exception):
    """A probe stopped below the top: the level that it reached, and why no further."""

    def __init__(self, reached: str, why: str) -> None:
        super().__init__(why)
        self.reached = reached


# --- the agent ---------------------------------------------------------------------------------------------------


class Agent:
    """All replicas of one job, the requests to them, and the files that tell of them.

    A full disk or a run directory that has vanished must not take the servers down: what cannot be written is written
    later, and what cannot be read now is read at the next look.
    """

    def __init__(self, spec: Dict[str, Any]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self.spec = spec
        self.run_dir = Path(spec["run_dir"])
        self.logs: Path = self.run_dir / spec["logs"]
        self.job_id = own_job_id()
        self.node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        self.address = spec.get("address") or own_address()
        self.probe_address = self.address if spec["host"] in EVERY_ADDRESS else spec["host"]
        self.metrics_s = float(spec.get("metrics_s") or METRICS_S)
        self.completion_s = float(spec.get("completion_s") or 0.0)
        self.stopping = ""
        self.pool = ThreadPoolExecutor(max_workers=3 * len(spec["replicas"]) + 2)
        self.cleaning: Dict[str, Future[str]] = {}
        self.registered: Optional[Tuple[str, ...]] = None
        self.look_at_endpoints_at = 0.0
        self.replicas = [Replica(replica, self, self.pool) for replica in spec["replicas"]]
        self.pending: Dict[Path, Tuple[str, List[Replica]]] = {}
        self.reports: Dict[Path, Future[Dict[str, Any]]] = {}
        self.answered: Set[str] = set()
        for path in self.requests():
            self.answer(path, False, "older than the agent that runs now", again=True)

    def run(self) -> int:
        """Supervise until a request or a signal ends it; returns 0 once every replica is stopped."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.terminate)
        signal.signal(signal.SIGUSR1, self.time_is_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD_BY)
        while True:
            for path in self.requests():
                self.take(path)
            for replica in self.replicas:
                replica.tick()
            self.answer_finished()
            self.register()
            if all(replica.place == PREDECESSORS for replica in self.replicas):
                self.stopping = self.stopping or "all replicas were taken over"
            if self.stopping and all(replica.phase in SETTLED for replica in self.replicas):
                break
            time.sleep(TICK_S)
        self.pool.shutdown(wait=False)
        say("ended: " + self.stopping)
        return 0

    def terminate(self, number: int, _frame: Any) -> None:
        """The job is cancelled."""
        self.stop_all("signal %d: the job ends" % number)

    def time_is_up(self, _number: int, _frame: Any) -> None:
        """The scheduler tells, `grace_s` ahead, that the time limit comes."""
        self.stopping = "the time limit of the job is near"
        until = now() + max(0.0, self.spec["grace_s"] - self.spec["stop_timeout_s"] - 15)
        for replica in self.replicas:
            replica.drain(until, self.stopping)

    def stop_all(self, why: str) -> None:
        self.stopping = why
        for replica in self.replicas:
            if replica.phase != "failed" or replica.start_at is not None:
                replica.stop(why)

    def may_start(self, replica: Replica) -> bool:
        """Whether a replica may start now: the one before it has loaded if that is wanted, and its GPUs are clean."""
        if self.spec["start_after"] == "loaded":
            before = self.replicas[: self.replicas.index(replica)]
            if any(other.server is not None and other.phase in ("starting", "loading") for other in before):
                replica.why = "starts when the one before it has loaded"
                return False
        cleaning = self.cleaning.get(replica.name)
        if cleaning is None:
            replica.enter("cleaning")
            self.cleaning[replica.name] = self.pool.submit(self.clean_gpus, replica.visible_devices())
            return False
        if not cleaning.done():
            return False
        del self.cleaning[replica.name]
        held = cleaning.result()
        if held:
            replica.start_at = None
            replica.fail(held)
        return not held

    def clean_gpus(self, devices: str) -> str:
        """End what is stale on these GPUs; returns who still holds them, or nothing. Runs in a thread."""
        report = gpu_state(own_jobs())
        if report["error"]:
            return ""  # no nvidia-smi here: a rehearsal, or a CPU; nothing can be said of GPUs
        mine = [gpu for gpu in report["gpus"] if gpu["index"] in devices.split(",")]
        uuids = {gpu["uuid"] for gpu in mine}
        there = [process for process in report["processes"] if process["gpu_uuid"] in uuids]
        stale = [process for process in there if process["stale"]]
        for result in end_processes([(process["pid"], process["started_ticks"]) for process in stale]):
            say("GPU clean-up: pid %(pid)d %(result)s" % result)
        left = [process for process in there if not process["stale"] or started_ticks(process["pid"]) is not None]
        held = "; ".join("GPU held by pid %(pid)d of %(user)s, %(used_mib).0f MiB: %(why)s" % each for each in left)
        self.remember(devices, held)
        return held

    def prove_stopped(self, port: int, devices: str) -> str:
        """What can be said for sure of a replica that was stopped: processes, port, GPU memory. Runs in a thread."""
        still_open = "is still open: another process listens there" if listeners(port) else "closed"
        said = ["no process left", "port %d %s" % (port, still_open)]
        used_mib = memory_in_use(devices)
        said += ["GPU %s: %.0f MiB in use" % each for each in used_mib.items()]
        if used_mib:
            held = ", ".join("%.0f MiB of GPU %s" % (mib, gpu) for gpu, mib in used_mib.items() if mib > LEFT_MIB)
            self.remember(devices, held and held + " stayed in use after everything of ours had ended")
        return ", ".join(said)

    def remember(self, devices: str, reason: str) -> None:
        """Keep beside the runs since when GPUs of this node are dirty; or that they are clean again."""
        path = self.run_dir.parent / NODES / (self.node + ".json")
        gpus = devices.split(",")
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            before = read_json(path) if path.exists() else None
            if before is not None and not reason and before.get("gpus") and set(before["gpus"]) <= set(gpus):
                path.unlink()
            if reason:
                path.parent.mkdir(exist_ok=True)
                at = before["at"] if before is not None and before.get("gpus") == gpus else clock()
                write_json(
                    path, {"node": self.node, "at": at, "reason": reason, "gpus": gpus, "run": self.run_dir.name}
                )

    # requests

    def requests(self) -> List[Path]:
        """Unanswered requests to this job or one of its replicas, oldest first."""
        try:
            names = set(os.listdir(str(self.run_dir / "control")))
        except OSError:
            return []
        mine = self.names()
        found = []
        for name in sorted(names - self.answered):
            if not name.endswith(".json") or name.endswith(".result.json") or name.startswith("."):
                continue
            path = self.run_dir / "control" / name
            if path in self.pending or path in self.reports:
                continue
            if name[: -len(".json")] + ".result.json" in names:
                self.answered.add(name)
                continue
            try:
                target = read_json(path)["target"]
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not ours to judge: another agent may be meant
            if target in mine:
                found.append(path)
            else:
                self.answered.add(name)
        return found

    def names(self) -> Set[str]:
        """What requests to this agent are addressed to: its job's id, and by name what this job has and no other."""
        owned = {replica.name for replica in self.replicas if replica.place == REPLICAS}
        return {self.job_id, *owned, *((self.spec["job"],) if owned else ())} - {""}

    def take(self, path: Path) -> None:
        """Begin what a request asks for; `answer_finished` answers when it is done."""
        try:
            request = read_json(path)
            verb, target = request.get("verb"), request["target"]
            only = process_set(str(request.get("value") or "")) if verb == "clean" else None
        except OSError:
            return  # gone since the look, or not to be read now: at the next look again, if it is there
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.answer(path, False, "cannot be read: %s" % error)
            return
        whole = target in (self.spec["job"], self.job_id)
        targets = [replica for replica in self.replicas if whole or target == replica.name]
        why = "%s by %s" % (verb, request.get("by", "unknown"))
        if verb == "gpus":
            self.reports[path] = self.pool.submit(lambda: gpu_state(own_jobs()))
            return
        if verb == "clean":
            self.reports[path] = self.pool.submit(lambda: clean(own_jobs(), only))
            return
        if verb not in ("stop", "restart"):
            self.answer(path, False, "unknown verb %r" % (verb,))
            return
        if verb == "restart" and self.stopping:
            self.answer(path, False, "the job ends: %s" % self.stopping)
            return
        if verb == "restart" and self.was_done(path, request, targets):
            return
        self.overrule(verb, targets, why)
        if verb == "stop" and whole:
            self.stop_all(why)
        elif verb == "stop":
            for replica in targets:
                replica.stop(why)
        else:
            specs = {spec["name"]: spec for spec in self.new_specs()}
            for replica in targets:
                replica.spec = specs.get(replica.name, replica.spec)
                replica.stop(why, start_again=True)
        self.pending[path] = (verb, targets)

    def was_done(self, path: Path, request: Dict[str, Any], targets: List[Replica]) -> bool:
        """Whether somebody else was quicker: the attempt that was to be restarted is not the one of now.

        Two operators who ask for the same at the same time get one restart, and both hear of it.
        """
        meant = request.get("attempt")
        if not isinstance(meant, int) or len(targets) != 1 or targets[0].attempt == meant:
            return False
        replica = targets[0]
        said = "%s was started again meanwhile: attempt %d is %s" % (replica.name, replica.attempt, replica.phase)
        return self.answer(path, True, said)

    def overrule(self, verb: str, targets: List[Replica], why: str) -> None:
        """Tell who asked for the opposite, and still waits for it, that somebody else has decided otherwise."""
        for path, (asked, whom) in list(self.pending.items()):
            both = [replica.name for replica in whom if replica in targets]
            if asked != verb and both and self.answer(path, False, "overruled: %s, %s" % (", ".join(both), why)):
                del self.pending[path]

    def new_specs(self) -> List[Dict[str, Any]]:
        """The replicas' specifications as they stand now: a changed flag takes effect with the next restart."""
        try:
            specs: List[Dict[str, Any]] = read_json(self.run_dir / "jobs" / (self.spec["job"] + ".json"))["replicas"]
            return specs
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def answer_finished(self) -> None:
        """Answer each request whose replicas have all settled: started again, or provably stopped."""
        for path, (_, targets) in list(self.pending.items()):
            if all(replica.phase not in ("stopping", "cleaning", "waiting") for replica in targets):
                message = "; ".join(
                    "%s %s%s" % (replica.name, replica.phase, " (%s)" % replica.why if replica.why else "")
                    for replica in targets
                )
                if self.answer(path, True, message):
                    del self.pending[path]
        for path, report in list(self.reports.items()):
            if report.done() and self.answer(path, True, json.dumps(report.result())):
                del self.reports[path]

    def answer(self, path: Path, done: bool, message: str, again: bool = False) -> bool:
        """Answer a request; `again` tells a client that still waits to ask once more. False: not written yet."""
        result = {"ok": done, "message": message, "again": again, "at": clock(), "node": self.node}
        if not self.write("control/" + path.with_suffix(".result.json").name, result):
            return False
        self.answered.add(path.name)
        return True

    # files

    def write(self, name: str, value: Any) -> bool:
        """Write a file of the run directory; False if that is not possible now."""
        try:
            write_json(self.run_dir / name, value)
        except OSError as error:
            say("%s cannot be written: %s" % (name, error))
            return False
        return True

    def append(self, name: str, line: str, limit: int) -> bool:
        """Append a line to a file of the run directory, or lose it: these are samples. True: the next one begins anew.

        One that has grown to `limit` bytes is put aside as NAME.1, in place of the one that was put aside before.
        """
        path = self.run_dir / name
        full = False
        with contextlib.suppress(OSError):
            with path.open("a") as file:
                file.write(line + "\n")
                full = file.tell() >= limit
            if full:
                os.replace(str(path), str(path) + ".1")
        return full

    def register(self) -> None:
        """Write the endpoints of all ready replicas of the run when those of this job have changed.

        Agents of other jobs do the same: a lock keeps one from writing what it read before another's change. On a file
        system whose locks hold on one machine alone, or not at all, each looks again whether its own are still there.
        """
        ready = tuple(r.name for r in self.replicas if r.place == REPLICAS and r.phase in ("ready", "degraded"))
        if ready == self.registered and now() < self.look_at_endpoints_at:
            return
        path = self.run_dir / self.spec["endpoints"]["file"]
        try:
            if ready != self.registered or not self.is_registered(read_json(path)):
                with (self.run_dir / "control" / ".endpoints.lock").open("a") as lock:
                    take_lock(lock)
                    write_json(path, self.endpoints())
        except (OSError, ValueError, KeyError, TypeError):
            return  # locked, full or vanished: at the next tick again
        self.registered, self.look_at_endpoints_at = ready, now() + HEARTBEAT_S

    def is_registered(self, table: Dict[str, Any]) -> bool:
        """Whether a table of endpoints holds the replicas of this job that are ready, and none that is not."""
        for replica in self.replicas:
            if replica.place != REPLICAS or replica.spec["model"] not in self.spec["endpoints"]["models"]:
                continue
            entry = {"ip_addr": self.address, "port": str(replica.spec["port"])}
            is_there = entry in table.get(replica.spec["model"], [])
            if is_there != (replica.phase in ("ready", "degraded")):
                return False
        return True

    def endpoints(self) -> Dict[str, Any]:
        """The seed's shape: model → address and port of each replica that is ready, ports as strings."""
        table: Dict[str, Any] = {model: [] for model in self.spec["endpoints"]["models"]}
        for path in sorted((self.run_dir / REPLICAS).glob("[!.]*.json")):
            replica = read_json(path)
            if replica["phase"] in ("ready", "degraded") and replica["model"] in table:
                table[replica["model"]].append({"ip_addr": replica["address"], "port": str(replica["port"])})
        table.update(self.spec["endpoints"]["more"])
        return table


def say(text: str) -> None:
    """Tell the job's output; a full disk there is no reason to end."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def raise_file_limit() -> None:
    """Let the servers open as many files as this job may: vLLM needs many, and inherits the limit from here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 20 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def own_job_id() -> str:
    """The job this runs in, by the scheduler's environment."""
    return os.environ.get("SLURM_JOB_ID") or os.environ.get("TAU2TUI_JOB_ID") or ""


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

    def all_of(place: Path) -> List[Any]:
        states = [read(path) for path in sorted(place.glob("*.json")) if not path.name.startswith(".")]
        return [state for state in states if state is not None]

    state = run_dir / "eval" / "state.json"
    return {
        "clock": clock(),
        "replicas": all_of(run_dir / REPLICAS),
        "successors": all_of(run_dir / SUCCESSORS),
        "predecessors": all_of(run_dir / PREDECESSORS),
        "dirty_nodes": all_of(run_dir.parent / NODES),
        "evaluation": read(state) if state.exists() else None,
        "unreadable": unreadable,
    }


# --- GPUs --------------------------------------------------------------------------------------------------------

RUN_MARK, REPLICA_MARK = "TAU2TUI_RUN", "TAU2TUI_REPLICA"
"""A run by its directory, which no other has: two of one user may have the same name, in different places."""
LOCAL_JOB_MARK = "TAU2TUI_JOB_RECORD"
"""Names the file in which the local scheduler keeps a job: its process says whether the job lives."""
NODES = ".nodes"
"""Beside the runs: a file for each node on whose GPUs something was found that we cannot or may not end."""
LEFT_MIB = 1024.0
"""On each GPU: an idle one keeps some hundred MiB for its driver."""
MEMORY_FREE_S = 10.0
"""The driver frees the memory of a process some time after its end."""
VLLM_TITLE = re.compile(r"^VLLM::")
"""Engine and worker processes of vLLM rename themselves; a killed API server leaves them alive, with their GPU."""
SHARED_MEMORY_DIR = Path("/dev/shm")  # noqa: S108 - where the engines put it
SHARED_MEMORY = re.compile(r"^(?:vllm|psm_|torch_|nccl-|cuda\.shm|sem\.mp-)")
SHARED_MEMORY_AGE_S = 60.0
GPU_FIELDS = "index,uuid,name,memory.total,memory.used,utilization.gpu"
PROCESS_FIELDS = "gpu_uuid,pid,used_memory,process_name"
PID = re.compile(r"^[1-9][0-9]{0,9}$")
"""`isdigit` is true of ² as well, which is no number."""


def query(what: str, fields: str) -> str:
    """What nvidia-smi answers to one query. Raises OSError or subprocess.SubprocessError."""
    return subprocess.run(
        ["nvidia-smi", "--query-%s=%s" % (what, fields), "--format=csv,noheader,nounits"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=30,
        check=True,
    ).stdout.decode(errors="replace")


def cells(text: str) -> List[List[str]]:
    """Rows of an answer of nvidia-smi."""
    return [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]


def gpu_rows(text: str) -> List[Dict[str, Any]]:
    """The GPUs in an answer to a query of GPU_FIELDS; a row of another form is none."""
    keys = ("index", "uuid", "name", "total_mib", "used_mib", "utilization_percent")
    rows = (row for row in cells(text) if len(row) == len(keys))
    return [dict(zip(keys, row[:3] + [number(cell) for cell in row[3:]])) for row in rows]


def process_rows(text: str) -> List[Tuple[str, int, float]]:
    """UUID of the GPU, pid and MiB of each process in an answer to a query of PROCESS_FIELDS."""
    rows = (row for row in cells(text) if len(row) == 4 and PID.match(row[1]))
    return [(uuid, int(pid), number(used) or 0.0) for uuid, pid, used, _ in rows]


def own_jobs() -> Optional[Set[str]]:
    """The ids of the user's SLURM jobs that live, as SLURM says; None if it does not say."""
    argv = ["squeue", "--me", "--noheader", "--format=%A"]
    try:
        completed = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return None if b"error:" in completed.stderr else set(completed.stdout.decode(errors="replace").split())


def gpu_state(live_jobs: Optional[Set[str]]) -> Dict[str, Any]:
    """This node's GPUs and the processes that hold them: owner, age, memory, and whether each is stale, and why.

    `live_jobs` are the user's jobs that still live; None if that is not known, and then nothing is stale.
    """
    state: Dict[str, Any] = {"clock": clock(), "node": socket.gethostname(), "uid": os.getuid(), "error": ""}
    try:
        gpus = query("gpu", GPU_FIELDS)
        processes = query("compute-apps", PROCESS_FIELDS)
    except (OSError, subprocess.SubprocessError) as error:
        state.update(error="nvidia-smi: %s" % error, gpus=[], processes=[], shared_memory=[])
        return state
    state["gpus"] = gpu_rows(gpus)
    state["processes"] = [
        {"gpu_uuid": uuid, "used_mib": used_mib, **describe(pid, live_jobs)}
        for uuid, pid, used_mib in process_rows(processes)
    ]
    state["shared_memory"] = stale_shared_memory()
    return state


def memory_in_use(devices: str) -> Dict[str, float]:
    """MiB in use on each of these GPUs, once it is little on all, or after some seconds; nothing if nobody can say."""
    deadline = time.monotonic() + MEMORY_FREE_S
    while True:
        try:
            rows = cells(query("gpu", "index,memory.used"))
        except (OSError, subprocess.SubprocessError):
            return {}
        used = {row[0]: number(row[1]) for row in rows if len(row) == 2 and row[0] in devices.split(",")}
        known = {gpu: mib for gpu, mib in used.items() if mib is not None}
        if all(mib <= LEFT_MIB for mib in known.values()) or time.monotonic() > deadline:
            return known
        time.sleep(0.5)


def describe(pid: int, live_jobs: Optional[Set[str]]) -> Dict[str, Any]:
    """What can be known of a process that holds a GPU, and the verdict on it."""
    ticks = started_ticks(pid)
    process: Dict[str, Any] = {"pid": pid, "started_ticks": ticks, "user": "unknown", "age_s": None, "command": ""}
    process.update(parent=None, job_id="", replica="", stale=False, why="it ended meanwhile, or is hidden from us")
    if ticks is None:
        return process
    try:
        uid = os.stat("/proc/%d" % pid).st_uid
        stat = Path("/proc/%d/stat" % pid).read_text(errors="replace")
        command = Path("/proc/%d/cmdline" % pid).read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return process
    process["user"] = user_name(uid)
    process["age_s"] = max(0.0, uptime_s() - ticks / os.sysconf("SC_CLK_TCK"))
    process["command"] = (command or stat[stat.index("(") + 1 : stat.rindex(")")])[:300]
    process["parent"] = int(stat[stat.rindex(")") + 2 :].split()[1])
    marks = environment_of(pid)
    process["job_id"], lives = job_of(marks, live_jobs)
    process["replica"] = marks.get(REPLICA_MARK, "")
    process["stale"], process["why"] = judge_process(process, uid, lives)
    return process


def job_of(marks: Dict[str, str], live_jobs: Optional[Set[str]]) -> Tuple[str, Optional[bool]]:
    """The job that a process was started in, by its environment, and whether that lives; None if that is not known."""
    record = marks.get(LOCAL_JOB_MARK)
    if record:
        try:
            job = read_json(Path(record))
            return str(job["id"]), started_ticks(job["pid"]) == job["started_ticks"]
        except (OSError, ValueError, KeyError, TypeError):
            return record, None
    job_id = marks.get("SLURM_JOB_ID", "")
    # Parts of a heterogeneous job have ids of their own, and all see that of the first part.
    parts = {value for name, value in marks.items() if name.startswith("SLURM_JOB_ID_HET_GROUP_")}
    return job_id, None if live_jobs is None else bool(live_jobs & {job_id, *parts})


def judge_process(process: Dict[str, Any], uid: int, job_lives: Optional[bool]) -> Tuple[bool, str]:
    """Whether a process may be ended, and why (not): only ours, and only with proof that nothing alive needs it."""
    job_id = process["job_id"]
    if uid != os.getuid():
        return False, "belongs to %s" % process["user"]
    if job_id and job_lives is None:
        return False, "whether its job %s lives is not known" % job_id
    if job_id and job_lives:
        return False, "belongs to job %s, which lives" % job_id
    if job_id:
        return True, "its job %s has ended" % job_id
    if process["parent"] == 1 and VLLM_TITLE.match(process["command"]):
        return True, "an orphan of vLLM: its parent is gone"
    return False, "yours, but of no job: not touched"


def environment_of(pid: int) -> Dict[str, str]:
    """The environment a process was started with; empty if it is not ours to read."""
    try:
        entries = Path("/proc/%d/environ" % pid).read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def marked_processes(run_dir: Path, replica: str) -> List[int]:
    """Live processes that were started for one replica of a run, by the marks in their environment."""
    marks = {RUN_MARK: str(run_dir), REPLICA_MARK: replica}
    found = []
    for pid, (_, _, state) in process_table().items():
        environment = environment_of(pid) if state not in "ZX" else {}
        if pid != os.getpid() and all(environment.get(name) == value for name, value in marks.items()):
            found.append(pid)
    return found


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def uptime_s() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def number(cell: str) -> Optional[float]:
    """A cell of nvidia-smi as a number; `[N/A]` is unknown."""
    try:
        read = float(cell)
    except ValueError:
        return None
    return read if math.isfinite(read) else None


def stale_shared_memory() -> List[Dict[str, Any]]:
    """Files of ours in /dev/shm that an engine left behind: of a known name, a minute old, and open in no process."""
    found = []
    for path in SHARED_MEMORY_DIR.glob("*"):
        try:
            stat = path.lstat()
        except OSError:
            continue
        ours = stat.st_uid == os.getuid() and SHARED_MEMORY.match(path.name)
        if ours and clock() - stat.st_mtime > SHARED_MEMORY_AGE_S:
            found.append({"name": path.name, "mib": stat.st_size / 2**20, "inode": stat.st_ino})
    in_use = open_inodes() if found else set()
    return [file for file in found if file["inode"] not in in_use]


def open_inodes() -> Set[int]:
    """Inodes of files in /dev/shm that processes of ours have open or mapped."""
    inodes = set()
    for pid in process_table():
        with contextlib.suppress(OSError):
            for line in Path("/proc/%d/maps" % pid).read_text(errors="replace").splitlines():
                if str(SHARED_MEMORY_DIR) in line:
                    inodes.add(int(line.split()[4]))
        with contextlib.suppress(OSError):
            for descriptor in Path("/proc/%d/fd" % pid).iterdir():
                if os.readlink(str(descriptor)).startswith(str(SHARED_MEMORY_DIR)):
                    inodes.add(descriptor.stat().st_ino)
    return inodes


def end_processes(targets: List[Tuple[int, Optional[int]]], patience_s: float = 10.0) -> List[Dict[str, Any]]:
    """TERM, wait, KILL, wait, each only while it is still the process that was seen: same pid and same start."""

    def alive() -> List[int]:
        return [pid for pid, ticks in targets if ticks is not None and started_ticks(pid) == ticks]

    for number_, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + wait_s
        with contextlib.suppress(PermissionError):
            signal_all(alive(), number_)
        while alive() and time.monotonic() < deadline:
            time.sleep(0.1)
    left = set(alive())
    results = []
    for pid, ticks in targets:
        result = "ended"
        if ticks is None:
            result = "was gone already"
        elif pid in left:
            state = process_table((str(pid),)).get(pid, (0, 0, "?"))[2]
            result = "cannot be ended (state %s)" % state
        elif started_ticks(pid) is not None:
            result = "was gone: its pid is another process now, which was left alone"
        results.append({"pid": pid, "result": result})
    return results


def clean(live_jobs: Optional[Set[str]], only: Optional[Set[Tuple[int, int]]]) -> Dict[str, Any]:
    """End the stale processes on this node's GPUs, of `only` those that were shown, and verify that memory is free."""
    before = gpu_state(live_jobs)
    stale = {(each["pid"], each["started_ticks"]) for each in before["processes"] if each["stale"]}
    targets = sorted(stale if only is None else stale & only)
    ended = end_processes(list(targets))
    for file in before["shared_memory"]:
        with contextlib.suppress(OSError):
            (SHARED_MEMORY_DIR / file["name"]).unlink()
    after = gpu_state(live_jobs)
    freed = sum(gpu["used_mib"] or 0 for gpu in before["gpus"]) - sum(gpu["used_mib"] or 0 for gpu in after["gpus"])
    return {
        "node": before["node"],
        "error": before["error"],
        "ended": ended,
        "left": after["processes"],
        "shared_memory": [file["name"] for file in before["shared_memory"]],
        "freed_mib": freed,
        "gpus": after["gpus"],
    }


def start_detached(command: List[str], out: Path) -> int:
    """Start a command in a session of its own, its output appended to a file, and leave it; returns its pid."""
    with out.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        ).pid


def main(argv: Optional[List[str]] = None) -> int:
    """Run one of the agent's words; returns the exit status."""
    parser = argparse.ArgumentParser(prog="node_agent.py", description=(__doc__ or "").split("\n", 1)[0])
    words = parser.add_subparsers(dest="word", metavar="WORD")
    words.required = True
    run = words.add_parser("run", help="supervise the replicas of one job")
    run.add_argument("spec", type=Path)
    state = words.add_parser("state", help="print a run directory's state as JSON")
    state.add_argument("run_dir", type=Path)
    gpus = words.add_parser("gpus", help="print this node's GPUs and who holds them as JSON")
    gpus.add_argument("--live", type=id_set, help="ids of the user's jobs that live, with commas; else squeue is asked")
    cleaner = words.add_parser("clean", help="end stale processes on this node's GPUs")
    cleaner.add_argument("--live", type=id_set)
    cleaner.add_argument("--only", type=process_set, help="PID:START_TICKS,…: nothing but these, as `gpus` showed them")
    spawn = words.add_parser("spawn", help="start a command that outlives its caller")
    spawn.add_argument("out", type=Path)
    spawn.add_argument("command", nargs="+")
    arguments = parser.parse_args(argv)
    if arguments.word == "run":
        signal.pthread_sigmask(signal.SIG_BLOCK, TOLD_BY)
        raise_file_limit()
        return Agent(read_json(arguments.spec)).run()
    if arguments.word == "spawn":
        print(start_detached(arguments.command, arguments.out))
        return 0
    report: Dict[str, Any]
    if arguments.word == "state":
        report = run_state(arguments.run_dir)
    else:
        live = own_jobs() if arguments.live is None else arguments.live
        report = gpu_state(live) if arguments.word == "gpus" else clean(live, arguments.only)
    # In one write: with PYTHONUNBUFFERED, as in many images, json.dump makes thousands, and wakes the reader for each.
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


def id_set(text: str) -> Set[str]:
    """Job ids from a command line."""
    return {part for part in text.split(",") if part}


def process_set(text: str) -> Set[Tuple[int, int]]:
    """Processes from a command line, each a pid and its start time."""
    pairs = [part.partition(":") for part in text.split(",") if part]
    return {(int(pid), int(ticks)) for pid, _, ticks in pairs}


if __name__ == "__main__":
    sys.exit(main())
