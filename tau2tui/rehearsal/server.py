"""One practice server: behaves as a vLLM replica does, and plays its model's part in real tau2-bench tasks.

ONE FILE, standard library only, Python ≥ 3.8: it is copied into the run directory and started by the node agent like a
vLLM server. Its answers come from a script of reference actions (made by `tau2tui.rehearsal.script`), its latencies
from published figures, its faults on request. It keeps nothing between requests that an answer depends on: any replica
can take any turn.

    python3 server.py MODEL --port 1900 --served-model-name NAME --role agent --latency-of orchestrator --script FILE

All other arguments of `vllm serve` are accepted and passed over. An API key is taken from VLLM_API_KEY, as vLLM does.
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import json
import os
import random
import re
import signal
import socket
import socketserver
import sys
import threading
import time
import uuid
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import (
    Any,
    Callable,
    Dict,
    Generator,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    NoReturn,
    Optional,
    Sequence,
    Tuple,
)
from urllib.parse import unquote, urlsplit

Message = Dict[str, Any]
"""A message of the chat completions API."""
Tool = Dict[str, Any]
"""A tool as it is offered to a model: `{"type": "function", "function": {"name", "parameters", …}}`."""
Task = Mapping[str, Any]
"""A task of the script: `actions` (name, arguments, requestor) in order, and what to `communicate` at the end."""

VLLM_VERSION = "0.32.0"
MAX_MODEL_LEN = 131072
KV_CACHE_TOKENS = 2**18
"""A power of two: shares of it add up without rounding, so an idle server shows exactly zero."""
CHARACTERS_PER_TOKEN = 4
IDLE_CONNECTION_S = 60
"""Longer than uvicorn's five seconds: a practice fleet should not add races of its own making."""
UNIT_HEADER = "X-Tau2tui-Unit"
ROLE_HEADER = "X-Tau2tui-Role"


# --- the players -----------------------------------------------------------------------------------------------------
#
# Pure functions of the conversation. Whatever does not fit the task (a tool result that never came, an unknown task)
# makes the agent say that it is lost, and a lost agent never ends the conversation: a broken harness earns no reward.


class Turn(NamedTuple):
    """What a player does in one turn: it says something, or calls one tool."""

    text: str = ""
    tool: str = ""
    arguments: Optional[Dict[str, Any]] = None


OK = Turn("ok")
LOST = Turn("I am sorry, I cannot help with this at the moment. Please give me some time.")
END = "[[end of conversation]]"
ASK = re.compile(r"\[\[do (\w+) (\{.*\})\]\]", re.DOTALL)
"""How an agent asks the user to use one of the user's own tools."""
DONE, FAILED = "Done.", "That did not work."
"""How the user begins to report."""
MARKUP = re.compile(r"</?(?:think|message|tool_call)>")
NOT_EXECUTED = re.compile(r"Error: Tool '.*' not found")
"""tau2's answer to a call that belongs to nobody; other errors are a domain's own, and reference actions meet them."""


def play(role: str, messages: Sequence[Message], tools: Sequence[Tool], unit: str, script: Mapping[str, Task]) -> Turn:
    """The next turn of `role` (agent, expert, user) in the task `unit` ("domain/task_id"; empty: not in a task)."""
    if not unit:
        return play_probe(tools)
    task = script.get(unit)
    if task is None:
        return LOST
    if role == "user":
        return play_user(messages, tools, unit)
    return play_agent(messages, tools, task, unit) if role == "agent" else play_expert(messages, tools, task)


def play_probe(tools: Sequence[Tool]) -> Turn:
    """A request outside any task: one tool alone is a readiness probe and is called, no tool at all is small talk."""
    if not tools:
        return OK
    if len(tools) > 1:
        return LOST
    function = tools[0]["function"]
    return Turn(tool=function["name"], arguments=plausible(function.get("parameters") or {"type": "object"}))


def plausible(schema: Mapping[str, Any]) -> Any:
    """A value that satisfies a JSON schema of the kind that tools use: objects get their required properties."""
    if schema.get("enum"):
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice):
            return plausible(schema[choice][0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: plausible(properties.get(name) or {}) for name in schema.get("required") or ()}
    if kind == "array":
        return [plausible(schema.get("items") or {})]
    values = {"integer": 1, "number": 1.0, "boolean": True, "null": None}
    return values.get(kind, "example")


def play_expert(messages: Sequence[Message], tools: Sequence[Tool], task: Task) -> Turn:
    """Do the next reference action, or close the conversation after the last one."""
    actions = task["actions"]
    done = actions_done(messages, actions)
    if done is None:
        return LOST
    if done == len(actions):
        return Turn(" ".join(["Everything is taken care of.", *task["communicate"], END]))
    action = actions[done]
    if action["requestor"] == "user":
        return Turn("Please do this on your side: [[do %s %s]]" % (action["name"], json.dumps(action["arguments"])))
    if action["name"] not in tool_names(tools):
        return LOST
    return Turn(tool=action["name"], arguments=action["arguments"])


def play_agent(messages: Sequence[Message], tools: Sequence[Tool], task: Task, unit: str) -> Turn:
    """The orchestrator: hands every second turn, and what it cannot do itself, to an expert, and does the rest.

    Which turns, and who is asked first, differs from task to task. One text in three is wrapped in thoughts and tags.
    """
    number = sum(message["role"] == "assistant" for message in messages) + zlib.crc32(unit.encode())
    own = play_expert(messages, tools, task)
    experts = offered_experts(tools)
    if experts and (number % 2 == 0 or own is LOST):
        return Turn(tool="call_expert", arguments={"expert": experts[number // 2 % len(experts)]})
    if own.text and number % 3 == 0:
        return Turn("<think>I know what comes next.</think><message>%s</message>" % own.text)
    return own


def play_user(messages: Sequence[Message], tools: Sequence[Tool], unit: str) -> Turn:
    """The user simulator: opens, does what it is asked to do on its side, and stops when the agent has ended.

    It does not act on text with an orchestrator's tags in it: those should have been taken off on the way.
    """
    last = messages[-1] if messages else {"role": "system"}
    heard = text_of(last)
    if last["role"] == "tool":
        return Turn("%s It says: %s" % (FAILED if heard.startswith("Error") else DONE, heard[:80]))
    if last["role"] != "user":
        return Turn("Are you still there?")
    if MARKUP.search(heard):
        return Turn("I can only see tags. What do you mean?")
    if all(message["role"] != "assistant" for message in messages):
        return Turn("Hello, I need your help with a matter of %s." % unit.partition("/")[0])
    asked = ASK.search(heard)
    if asked and asked[1] in tool_names(tools):
        return Turn(tool=asked[1], arguments=json.loads(asked[2]))
    return Turn("Thank you, that is all. ###STOP###" if END in heard else "All right, please go on.")


def actions_done(messages: Sequence[Message], actions: Sequence[Mapping[str, Any]]) -> Optional[int]:
    """How many of the reference actions the conversation shows as done; None if it does not fit them.

    Long conversations come without their older turns, so what is visible must be a run of actions, not the beginning.
    """
    try:
        visible = [action for action in carried_out(messages) if action in actions]
    except (_Broken, KeyError, TypeError, ValueError):  # the latter three: a call that no server made
        return None
    for done in range(len(visible), len(actions) + 1):
        if list(actions[done - len(visible) : done]) == visible:
            return done
    return None


class _Broken(Exception):
    """A call without its result, or a request to the user that failed."""


def carried_out(messages: Sequence[Message]) -> Iterator[Dict[str, Any]]:
    """Every action with a result, in order: the agent's tool calls and what it asked the user to do."""
    results = {message.get("tool_call_id"): text_of(message) for message in messages if message["role"] == "tool"}
    for position, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        for call in message.get("tool_calls") or ():
            result = results.get(call.get("id"), "")
            if not result or NOT_EXECUTED.match(result):
                raise _Broken
            yield _action("assistant", call["function"]["name"], call["function"]["arguments"])
        asked = ASK.search(text_of(message))
        reply = text_of(messages[position + 1]) if position + 1 < len(messages) else ""
        if asked and reply.startswith(FAILED):
            raise _Broken
        if asked and reply.startswith(DONE):
            yield _action("user", asked[1], asked[2])


def _action(requestor: str, name: str, arguments: str) -> Dict[str, Any]:
    return {"name": name, "arguments": json.loads(arguments), "requestor": requestor}


def text_of(message: Message) -> str:
    """The text of a message, whether it comes as a string or in parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def tool_names(tools: Sequence[Tool]) -> List[str]:
    """The names of the offered tools."""
    return [tool["function"]["name"] for tool in tools]


def offered_experts(tools: Sequence[Tool]) -> List[str]:
    """Whom `call_expert` may name; empty if it is not offered."""
    for tool in tools:
        if tool["function"]["name"] == "call_expert":
            return list(tool["function"]["parameters"]["properties"]["expert"].get("enum") or ())
    return []


# --- how long an answer takes ----------------------------------------------------------------------------------------


class Published(NamedTuple):
    """Published latencies of one series, in milliseconds."""

    quantiles_ms: Tuple[float, ...]
    """At the probabilities of `PROBABILITIES`."""
    prefill_share: float
    """Mean prefill / (mean prefill + mean decode)."""


PROBABILITIES = (0.0, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0)
_EXPERT_3_SHARE = 505.3 / (505.3 + 1157.2)
PUBLISHED = {
    "orchestrator": Published(
        (234.1, 2096.5, 2804.8, 4020.2, 6400.0, 9700.0, 13301.1, 70584.2, 426958.6), 93.4 / (93.4 + 4246.1)
    ),
    "expert-1": Published(
        (217.1, 655.1, 1015.1, 1774.2, 3400.0, 5576.3, 7525.7, 56669.4, 421373.5), 1710.2 / (1710.2 + 620.5)
    ),
    # No prefill was published for expert-2 and the user; expert-3 is the nearest of those that were.
    "expert-2": Published((1682.6, 2678.7, 3284.1, 4593.0, 6500.0, 8889.3, 10481.5, 13774.9, 34865.1), _EXPERT_3_SHARE),
    "expert-3": Published((434.0, 579.9, 778.3, 1252.8, 1800.0, 2839.3, 4267.4, 6404.2, 6938.4), _EXPERT_3_SHARE),
    "user": Published((756.8, 1941.3, 3864.1, 9608.2, 16000.0, 23387.7, 29060.5, 43541.8, 497098.7), _EXPERT_3_SHARE),
}


def quantile_ms(series: Published, probability: float) -> float:
    """The inverse of the distribution function, linear between the published quantiles, in milliseconds."""
    right = min(max(bisect.bisect_right(PROBABILITIES, probability), 1), len(PROBABILITIES) - 1)
    low, high = PROBABILITIES[right - 1], PROBABILITIES[right]
    below, above = series.quantiles_ms[right - 1], series.quantiles_ms[right]
    return below + (above - below) * (probability - low) / (high - low)


class Latency:
    """Draws the durations of one server's answers; the same seed draws the same ones."""

    def __init__(self, series: Published, speed: float, seed: int) -> None:
        self._series = series
        self._speed = speed
        self._random = random.Random(seed)

    def draw_s(self, probe: bool = False) -> Tuple[float, float]:
        """Prefill and decode in seconds. A probe asks for a few tokens only: it gets the shortest."""
        total_s = quantile_ms(self._series, 0.0 if probe else self._random.random()) / 1000 / self._speed
        return total_s * self._series.prefill_share, total_s * (1 - self._series.prefill_share)


# --- what /metrics says ----------------------------------------------------------------------------------------------

_SHORT_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0)
_LONG_S = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0)
_TOKENS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5)
HISTOGRAMS = {
    "time_to_first_token_seconds": ("Histogram of time to first token in seconds.", _SHORT_S),
    "request_time_per_output_token_seconds": ("Histogram of time_per_output_token_seconds per request.", _SHORT_S),
    "e2e_request_latency_seconds": ("Histogram of e2e request latency in seconds.", _LONG_S),
    "request_queue_time_seconds": ("Histogram of time spent in WAITING phase for request.", _LONG_S),
    "request_prefill_time_seconds": ("Histogram of time spent in PREFILL phase for request.", _LONG_S),
    "request_decode_time_seconds": ("Histogram of time spent in DECODE phase for request.", _LONG_S),
    "request_prompt_tokens": ("Number of prefill tokens processed.", _TOKENS),
    "request_generation_tokens": ("Number of generation tokens processed.", _TOKENS),
}
GAUGES = {
    "num_requests_running": "Number of requests in model execution batches.",
    "num_requests_waiting": "Number of requests waiting to be processed.",
    "kv_cache_usage_perc": "KV-cache usage. 1 means 100 percent usage.",
}
COUNTERS = {
    "prompt_tokens_total": "Number of prefill tokens processed.",
    "generation_tokens_total": "Number of generation tokens processed.",
}


class Histogram:
    """Counts of observations at or below each bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value


class Metrics:
    """What the server counts, safe to be written from all request threads."""

    def __init__(self, model: str) -> None:
        self._labels = 'engine="0",model_name=%s' % json.dumps(model, ensure_ascii=False)
        self._lock = threading.Lock()
        self._values = dict.fromkeys([*GAUGES, *COUNTERS], 0.0)
        self._finished = dict.fromkeys(("stop", "length", "abort", "error"), 0)
        self._http: Dict[Tuple[str, str, str], int] = {}
        self._histograms = {name: Histogram(bounds) for name, (_, bounds) in HISTOGRAMS.items()}

    def add(self, **amounts: float) -> None:
        """Change gauges and counters by these amounts."""
        with self._lock:
            for name, amount in amounts.items():
                self._values[name] += amount

    def observe(self, **values: float) -> None:
        """One observation for each of these histograms."""
        with self._lock:
            for name, value in values.items():
                self._histograms[name].observe(value)

    def finish(self, reason: str) -> None:
        with self._lock:
            self._finished[reason] += 1

    def count_http(self, handler: str, method: str, status: int) -> None:
        with self._lock:
            key = (handler, method, "%dxx" % (status // 100))
            self._http[key] = self._http.get(key, 0) + 1

    def value(self, name: str) -> float:
        """A gauge or a counter as it is now."""
        with self._lock:
            return self._values[name]

    def text(self) -> str:
        """The Prometheus text format, with vLLM's names and labels."""
        with self._lock:
            return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for kind, described in (("gauge", GAUGES), ("counter", COUNTERS)):
            for name, description in described.items():
                yield from _heading("vllm:" + name, kind, description)
                yield "vllm:%s{%s} %r" % (name, self._labels, self._values[name])
        yield from _heading("vllm:request_success_total", "counter", "Count of successfully processed requests.")
        for reason, count in self._finished.items():
            yield 'vllm:request_success_total{%s,finished_reason="%s"} %r' % (self._labels, reason, float(count))
        for name, (description, _) in HISTOGRAMS.items():
            yield from _heading("vllm:" + name, "histogram", description)
            yield from self._histogram_lines("vllm:" + name, self._histograms[name])
        yield from _heading("http_requests_total", "counter", "Total number of requests by method, status and handler.")
        for (handler, method, status), count in self._http.items():
            yield 'http_requests_total{handler="%s",method="%s",status="%s"} %r' % (
                handler,
                method,
                status,
                float(count),
            )

    def _histogram_lines(self, name: str, histogram: Histogram) -> Iterator[str]:
        below = 0
        for bound, count in zip([*map(repr, histogram.bounds), "+Inf"], histogram.counts):  # noqa: B905 - not in Python 3.8
            below += count
            yield '%s_bucket{%s,le="%s"} %r' % (name, self._labels, bound, float(below))
        yield "%s_count{%s} %r" % (name, self._labels, float(below))
        yield "%s_sum{%s} %r" % (name, self._labels, histogram.total)


def _heading(name: str, kind: str, description: str) -> Tuple[str, str]:
    return "# HELP %s %s" % (name, description), "# TYPE %s %s" % (name, kind)


# --- the log ---------------------------------------------------------------------------------------------------------


def write_line(line: str, stream: int = 1) -> None:
    """One whole line in one write: threads never mix theirs, and none holds a lock when the process ends."""
    with contextlib.suppress(OSError):  # whoever read the log is gone: that stops no server
        os.write(stream, (line + "\n").encode())


def log(where: str, text: str, level: str = "INFO", process: str = "APIServer") -> None:
    """A line as vLLM writes it; `where` is the file and line of vLLM that writes it there."""
    stamp = time.strftime("%m-%d %H:%M:%S")
    write_line("(%s pid=%d) %s %s [%s] %s" % (process, os.getpid(), level, stamp, where, text))


def log_engine(where: str, text: str, level: str = "INFO") -> None:
    """A line of vLLM's engine process."""
    log(where, text, level, "EngineCore")


def progress_bar(text: str) -> None:
    """A progress bar's line, which vLLM writes to stderr."""
    write_line("(EngineCore pid=%d) %s" % (os.getpid(), text), stream=2)


def start_up(options: argparse.Namespace, at: Callable[[float], None]) -> None:
    """Log what a starting server logs; `at(share)` waits until that share (0–1) of the start-up time has passed."""
    model, start_s = options.model, options.start_s
    log("api_utils.py:347", "version %s (rehearsal)  model %s" % (VLLM_VERSION, model))
    log("api_utils.py:286", "non-default args: %r" % vars(options))
    at(0.05)
    log("model.py:2152", "Using max model len %d" % options.max_model_len)
    at(0.1)
    log_engine("core.py:133", "Initializing a V1 LLM engine (v%s) with config: model=%r" % (VLLM_VERSION, model))
    at(0.15)
    log_engine("gpu_model_runner.py:4781", "Starting to load model %s..." % model)
    if options.fault[0] == "exit":
        fail_to_start()
    for shard in range(5):
        at(0.2 + 0.05 * shard)
        progress_bar("Loading safetensors checkpoint shards: %3d%% Completed | %d/4" % (25 * shard, shard))
    at(0.45)
    log_engine("default_loader.py:384", "Loading weights took %.2f seconds" % (0.25 * start_s))
    if not options.enforce_eager:
        at(0.5)
        log_engine("backends.py:1006", "Dynamo bytecode transform time: %.2f s" % (0.05 * start_s))
        at(0.65)
        log_engine("monitor.py:53", "torch.compile took %.2f s in total" % (0.2 * start_s))
        for percent in (0, 50, 100):
            at(0.7 + 0.001 * percent)
            progress_bar("Capturing CUDA graphs (mixed prefill-decode, PIECEWISE): %3d%%" % percent)
        log_engine("gpu_model_runner.py:6079", "Graph capturing finished in %.0f secs" % (0.15 * start_s))
    at(0.85)
    log_engine("kv_cache_utils.py:2327", "GPU KV cache size: {:,} tokens".format(KV_CACHE_TOKENS))
    at(0.9)
    took_s = 0.8 * start_s
    log_engine("core.py:402", "init engine (profile, create kv cache, warmup model) took %.2f s" % took_s)
    at(1.0)
    log("entry.py:136", "Supported tasks: ['generate']")
    log("entry.py:140", "Starting vLLM server on http://%s:%d" % (options.host, options.port))


def fail_to_start() -> NoReturn:
    """End as a server does whose model does not fit."""
    log_engine("core.py:1227", "EngineCore failed to start.", "ERROR")
    log_engine("core.py:1227", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "ERROR")
    write_line("RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}", 2)
    os._exit(1)


def crash(status: int) -> NoReturn:
    """End as a server does whose engine died while it served: at once, with all requests in flight."""
    log_engine("core.py:1236", "EngineCore encountered a fatal error.", "ERROR")
    log_engine("core.py:1236", "torch.AcceleratorError: CUDA error: an illegal memory access was encountered", "ERROR")
    log("async_llm.py:906", "vllm.v1.engine.exceptions.EngineDeadError: " + ENGINE_DEAD, "ERROR")
    os._exit(status)


# --- faults on request -----------------------------------------------------------------------------------------------

FAULTS = ("none", "exit", "hang", "wedge", "500", "harmony", "429", "cut", "empty", "mixed", "slow", "wrong-id")
MIXED = ("500", "harmony", "429", "cut", "empty")
"""What `mixed` draws from: the kinds of errors that another attempt mends."""
SLOW_FACTOR = 20
ANOTHER_MODEL = "rehearsal/another-model"
ENGINE_DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."
HARMONY = 'unexpected tokens remaining in message header: Some("to=functions.get_user_details")'


class Faults:
    """The fault that is asked for, and for how many completions, or for which share of those of tasks."""

    def __init__(self, name: str = "none", count: Optional[int] = None, rate: float = 1.0) -> None:
        self._changed = threading.Condition()
        self.asked = 0
        """How often a fault was asked for: those who hang wait for this to change."""
        self.name = name
        self._left = count
        self._rate = rate
        self._random = random.Random()

    def ask(self, name: str, count: Optional[int] = None, rate: float = 1.0) -> None:
        """From now on this one; those who hang for the last one are let go. `count` None: until another is asked."""
        with self._changed:
            self.name, self._left, self._rate = name, count, rate
            self.asked += 1
            self._changed.notify_all()

    def take(self, in_task: bool) -> str:
        """The fault of this completion, which counts as one; only tasks meet a fault that comes at a rate."""
        with self._changed:
            if self._rate < 1 and not (in_task and self._random.random() < self._rate):
                return "none"
            taken = self._random.choice(MIXED) if self.name == "mixed" else self.name
            if self._left is not None:
                self._left -= 1
                if self._left <= 0:
                    self.name, self._left, self._rate = "none", None, 1.0
            return taken

    def hang(self, asked: int) -> None:
        """Wait until something else is asked for than what was when `asked` was read."""
        with self._changed:
            self._changed.wait_for(lambda: self.asked != asked)


def parse_fault(text: str) -> Tuple[str, Optional[int], float]:
    """Read NAME, NAME:COUNT or NAME@RATE."""
    form = re.compile(r"([\w-]+)(?::(\d+))?(?:@(0?\.\d+))?").fullmatch(text)
    if form is None or form[1] not in FAULTS:
        forms = "NAME, NAME:COUNT or NAME@RATE with a NAME of %s" % ", ".join(FAULTS)
        raise argparse.ArgumentTypeError("%r is not %s" % (text, forms))
    return form[1], int(form[2]) if form[2] else None, float(form[3] or 1)


# --- the engine ------------------------------------------------------------------------------------------------------


class EngineDead(Exception):
    """The server ends while this request is in flight."""


class Engine:
    """Lets an answer take its time, as one of at most `max_num_seqs` at once, and counts it."""

    def __init__(self, latency: Latency, metrics: Metrics, max_num_seqs: int) -> None:
        self.metrics = metrics
        self.stopping = threading.Event()
        self._latency = latency
        self._slots = threading.Semaphore(max_num_seqs)

    def run(
        self, pieces: Sequence[Any], prompt_tokens: int, tokens: int, slow: int, probe: bool
    ) -> Generator[Any, None, None]:
        """Yield the pieces of an answer of `tokens` tokens in their time. Raises EngineDead if the server ends."""
        arrived = time.monotonic()
        with self._slot():
            started = time.monotonic()
            kv_share = (prompt_tokens + tokens) / KV_CACHE_TOKENS
            self.metrics.add(num_requests_running=1, kv_cache_usage_perc=kv_share)
            reason = "abort"
            try:
                prefill_s, decode_s = self._latency.draw_s(probe)
                self._pause(prefill_s * slow)
                first = time.monotonic()
                self.metrics.add(prompt_tokens_total=prompt_tokens)
                self.metrics.observe(time_to_first_token_seconds=first - arrived)
                for number, piece in enumerate(pieces, 1):
                    made = tokens * number // len(pieces) - tokens * (number - 1) // len(pieces)
                    self.metrics.add(generation_tokens_total=made)
                    yield piece
                    self._pause(decode_s * slow / len(pieces))
                reason = "stop"
                self._observe(arrived, started, first, prompt_tokens, tokens)
            except EngineDead:
                reason = "error"
                raise
            finally:
                self.metrics.add(num_requests_running=-1, kv_cache_usage_perc=-kv_share)
                self.metrics.finish(reason)

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        self.metrics.add(num_requests_waiting=1)
        try:
            while not self._slots.acquire(timeout=1):
                self._pause(0)
        finally:
            self.metrics.add(num_requests_waiting=-1)
        try:
            yield
        finally:
            self._slots.release()

    def _pause(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise EngineDead

    def _observe(self, arrived: float, started: float, first: float, prompt_tokens: int, tokens: int) -> None:
        now = time.monotonic()
        self.metrics.observe(
            e2e_request_latency_seconds=now - arrived,
            request_queue_time_seconds=started - arrived,
            request_prefill_time_seconds=first - started,
            request_decode_time_seconds=now - first,
            request_time_per_output_token_seconds=(now - first) / (tokens - 1) if tokens > 1 else 0.0,
            request_prompt_tokens=prompt_tokens,
            request_generation_tokens=tokens,
        )

    def log_throughput(self, every_s: float = 10.0) -> None:
        """vLLM's line on its load, as long as there is any; runs until the server stops."""
        before = (0.0, 0.0)
        while not self.stopping.wait(every_s):
            value = self.metrics.value
            now = (value("prompt_tokens_total"), value("generation_tokens_total"))
            if now != before:
                line = (
                    "Engine 000: Avg prompt throughput: %.1f tokens/s, Avg generation throughput: %.1f tokens/s, "
                    "Running: %d reqs, Waiting: %d reqs, GPU KV cache usage: %.1f%%, Prefix cache hit rate: 0.0%%"
                )
                rates = ((now[0] - before[0]) / every_s, (now[1] - before[1]) / every_s)
                requests = (value("num_requests_running"), value("num_requests_waiting"))
                log("loggers.py:310", line % (*rates, *requests, 100 * value("kv_cache_usage_perc")))
            before = now


# --- the chat completions API ----------------------------------------------------------------------------------------


class ApiError(Exception):
    """An error body of vLLM's, with its status."""

    def __init__(
        self, status: int, kind: str, message: str, param: Optional[str] = None, retry_after_s: Optional[int] = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": status}}


def internal_error(message: str) -> ApiError:
    return ApiError(500, "InternalServerError", message)


def bad_request(what: str) -> ApiError:
    """A body that does not fit the API, in the words of vLLM's validation."""
    return ApiError(400, "Bad Request", "[{%s}]" % what)


def checked_request(raw: bytes) -> Dict[str, Any]:
    """The request, as far as the server reads it. Raises ApiError (400)."""
    try:
        request = json.loads(raw)
    except ValueError as error:
        raise bad_request("'type': 'json_invalid', 'msg': 'JSON decode error: %s'" % error) from None
    if not isinstance(request, dict):
        raise bad_request("'type': 'model_attributes_type', 'loc': ('body',)")
    messages, tools = request.get("messages"), request.get("tools") or []
    if not isinstance(messages, list) or not all(isinstance(one, dict) and "role" in one for one in messages):
        raise bad_request("'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required'")
    if not isinstance(tools, list) or not all(isinstance(one, dict) and _is_function(one) for one in tools):
        raise bad_request("'type': 'missing', 'loc': ('body', 'tools'), 'msg': 'Field required'")
    return request


def _is_function(tool: Tool) -> bool:
    function = tool.get("function")
    return isinstance(function, dict) and isinstance(function.get("name"), str)


def tokens_in(characters: int) -> int:
    """A rough count: four characters to a token, at least one."""
    return max(1, characters // CHARACTERS_PER_TOKEN)


def asked_length(request: Mapping[str, Any]) -> int:
    """How many tokens an answer must have (vLLM's `ignore_eos` fills it up to `max_tokens`); 0: as many as it has."""
    most = request.get("max_tokens")
    return most if request.get("ignore_eos") is True and isinstance(most, int) and most > 0 else 0


def text_of_length(tokens: int) -> str:
    """A text of exactly so many tokens by `tokens_in`."""
    return "and " * tokens


def slices(text: str, most: int) -> List[str]:
    """The text in at most so many pieces of about the same length."""
    step = max(1, -(-len(text) // most))
    return [text[start : start + step] for start in range(0, len(text), step)]


class Completion:
    """One answer, as a whole or as the chunks of a stream."""

    def __init__(self, model: str, turn: Turn, prompt_tokens: int) -> None:
        self._head = {"id": "chatcmpl-" + uuid.uuid4().hex, "created": int(time.time()), "model": model}
        self._turn = turn
        self._call_id = "chatcmpl-tool-" + uuid.uuid4().hex
        self._arguments = json.dumps(turn.arguments or {})
        self.prompt_tokens = prompt_tokens
        self.tokens = tokens_in(len(turn.text) + len(turn.tool) + (len(self._arguments) if turn.tool else 0))

    @property
    def _finish_reason(self) -> str:
        return "tool_calls" if self._turn.tool else "stop"

    @property
    def _usage(self) -> Dict[str, int]:
        total = self.prompt_tokens + self.tokens
        return {"prompt_tokens": self.prompt_tokens, "total_tokens": total, "completion_tokens": self.tokens}

    def whole(self) -> Dict[str, Any]:
        """The body of an answer that is not streamed."""
        function = {"name": self._turn.tool, "arguments": self._arguments}
        calls = [{"id": self._call_id, "type": "function", "function": function}] if self._turn.tool else []
        message = {"role": "assistant", "content": self._turn.text or None, "tool_calls": calls}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage}

    def deltas(self) -> List[Dict[str, Any]]:
        """The answer in pieces: of a tool call first its name, then its arguments piece by piece."""
        if not self._turn.tool:
            return [{"content": piece} for piece in slices(self._turn.text, 8)]
        opening = {"index": 0, "id": self._call_id, "type": "function", "function": {"name": self._turn.tool}}
        rest = [{"index": 0, "function": {"arguments": piece}} for piece in slices(self._arguments, 4)]
        return [{"tool_calls": [call]} for call in (opening, *rest)]

    def chunk(self, delta: Dict[str, Any], finished: bool = False) -> Dict[str, Any]:
        """One chunk of the stream."""
        reason = self._finish_reason if finished else None
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def usage_chunk(self) -> Dict[str, Any]:
        """The last chunk, for those who asked for the usage."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._usage}


# --- HTTP ------------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """The listening socket, and everything that the request threads share."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, options: argparse.Namespace, script: Mapping[str, Task]) -> None:
        if ":" in options.host:
            self.address_family = socket.AF_INET6
        super().__init__((options.host, options.port), Handler, bind_and_activate=False)
        self.options = options
        self.script = script
        self.api_key = os.environ.get("VLLM_API_KEY", "")
        self.started_at = int(time.time())
        self.faults = Faults(*options.fault)
        latency = Latency(PUBLISHED[options.latency_of], options.speed, options.seed)
        self.engine = Engine(latency, Metrics(options.served_model_name[0]), options.max_num_seqs)
        self.answering = 0
        self._answering_lock = threading.Lock()

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse look-up of the host name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server's; everything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @contextlib.contextmanager
    def answer(self) -> Iterator[None]:
        """Counts the requests that a stopping server still has to answer."""
        with self._answering_lock:
            self.answering += 1
        try:
            yield
        finally:
            with self._answering_lock:
                self.answering -= 1

    def stop(self, patience_s: float = 1.0) -> None:
        """Let go of all requests in flight and wait a moment until their last words are written."""
        self.engine.stopping.set()
        self.faults.ask("none")
        deadline = time.monotonic() + patience_s
        while self.answering and time.monotonic() < deadline:
            time.sleep(0.01)


class Handler(BaseHTTPRequestHandler):
    """One connection. Every answer is one of vLLM's, but for /rehearsal/fault."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_CONNECTION_S
    server: Server

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def _routes(self) -> Dict[str, Dict[str, Callable[[], None]]]:
        """Method → path → what answers."""
        return {
            "GET": {
                "/health": self._empty,
                "/ping": self._empty,
                "/version": lambda: self._json(200, {"version": VLLM_VERSION}),
                "/load": lambda: self._json(200, {"server_load": 0}),
                "/metrics": self._metrics,
                "/v1/models": self._models,
            },
            "POST": {
                "/ping": self._empty,
                "/v1/chat/completions": self._chat,
                "/tokenize": self._tokenize,
                "/rehearsal/fault": self._fault,
            },
        }

    def _route(self) -> None:
        path = urlsplit(self.path).path
        routes = self._routes()
        answer = routes[self.command].get(path)
        self._handler = path if answer else "none"
        length = self.headers.get("Content-Length", "0")
        # The body is read even of a request that is refused: the connection lives on.
        self._body = self.rfile.read(int(length)) if length.isdecimal() else b""
        self._asked = self.server.faults.asked
        with self.server.answer():
            if self.server.faults.name == "hang" and path not in ("/rehearsal/fault", "/v1/chat/completions"):
                self._hang()
            elif not self._authorized(path):
                self._json(401, {"error": "Unauthorized"})
            elif answer is not None:
                try:
                    answer()
                except ApiError as error:
                    self._json(error.status, error.body, error.retry_after_s)
            elif any(path in known for known in routes.values()):
                self._json(405, {"detail": "Method Not Allowed"})
            else:
                self._json(404, {"detail": "Not Found"})

    def _authorized(self, path: str) -> bool:
        """As in vLLM the key guards /v1 alone; here it guards the faults as well."""
        key = self.server.api_key
        guarded = path.startswith(("/v1/", "/rehearsal/"))
        return not key or not guarded or self.headers.get("Authorization") == "Bearer " + key

    def _hang(self) -> None:
        """Never answer; when the fault is cleared, the connection ends without a word."""
        self.server.faults.hang(self._asked)
        self.close_connection = True

    # the small ones

    def _empty(self) -> None:
        self._send(200, b"", "text/plain")

    def _metrics(self) -> None:
        self._send(200, self.server.engine.metrics.text().encode(), "text/plain; version=1.0.0; charset=utf-8")

    def _served_names(self) -> List[str]:
        return [ANOTHER_MODEL] if self.server.faults.name == "wrong-id" else list(self.server.options.served_model_name)

    def _models(self) -> None:
        options = self.server.options
        card = {
            "object": "model",
            "created": self.server.started_at,
            "owned_by": "vllm",
            "root": options.model,
            "parent": None,
            "max_model_len": options.max_model_len,
        }
        self._json(200, {"object": "list", "data": [{"id": name, **card} for name in self._served_names()]})

    def _tokenize(self) -> None:
        try:
            request = json.loads(self._body)
            text = request["prompt"] if "prompt" in request else json.dumps(request["messages"])
            count = tokens_in(len(text))
        except (ValueError, KeyError, TypeError):
            raise bad_request("'type': 'missing', 'loc': ('body', 'prompt'), 'msg': 'Field required'") from None
        limit = self.server.options.max_model_len
        self._json(200, {"count": count, "max_model_len": limit, "tokens": list(range(count)), "token_strs": None})

    def _fault(self) -> None:
        """`{"fault": NAME, "count": completions or absent, "rate": 0–1 or absent, "status": exit status}`."""
        try:
            request = json.loads(self._body)
            name, count, status = request["fault"], request.get("count"), int(request.get("status", 1))
            rate = float(request.get("rate", 1))
            if name not in FAULTS or not 0 < rate <= 1 or not (count is None or (isinstance(count, int) and count > 0)):
                raise ValueError(name)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise bad_request("'msg': 'fault must be one of %s'" % ", ".join(FAULTS)) from None
        if name != "exit":
            self.server.faults.ask(name, count, rate)
        self._json(200, {"fault": name, "count": count})
        if name == "exit":
            crash(status)

    # completions

    def _chat(self) -> None:
        names = self._served_names()
        fault = self.server.faults.take(in_task=UNIT_HEADER in self.headers)
        if fault in ("hang", "wedge"):  # a wedged engine: the server answers everything else
            self._hang()
            return
        request = checked_request(self._body)
        model = request.get("model") or names[0]
        if model not in names:
            message = "The model `%s` does not exist. Valid aliases: %s." % (model, ", ".join(names))
            raise ApiError(404, "NotFoundError", message, "model")
        stream = bool(request.get("stream"))
        if fault == "500":
            raise internal_error(ENGINE_DEAD)
        if fault == "429":
            raise ApiError(429, "RateLimitError", "The server is busy, please try again later.", retry_after_s=1)
        if fault == "harmony":
            log("serving.py:1173", "openai_harmony.HarmonyError: " + HARMONY, "ERROR")
            if stream:
                self._stream(iter([internal_error(HARMONY).body]))
                return
            raise internal_error(HARMONY)
        self._complete(request, model, stream, fault)

    def _complete(self, request: Dict[str, Any], model: str, stream: bool, fault: str) -> None:
        options = self.server.options
        prompt_tokens = tokens_in(len(self._body))
        if prompt_tokens > options.max_model_len:
            message = "This model's maximum context length is %d tokens. However, your request has %d input tokens."
            raise ApiError(400, "BadRequestError", message % (options.max_model_len, prompt_tokens), "input_tokens")
        tools = [] if request.get("tool_choice") == "none" else request.get("tools") or []
        unit = unquote(self.headers.get(UNIT_HEADER, ""))
        role = self.headers.get(ROLE_HEADER) or options.role
        exact = 0 if unit or fault == "empty" else asked_length(request)
        turn = Turn(text_of_length(exact))
        if not exact and fault != "empty":
            turn = play(role, request["messages"], tools, unit, self.server.script)
        completion = Completion(model, turn, prompt_tokens)
        deltas = completion.deltas()
        slow = SLOW_FACTOR if fault == "slow" else 1
        paced = self.server.engine.run(deltas, prompt_tokens, completion.tokens, slow, probe=not (unit or exact))
        if fault == "cut":
            self._cut(next(iter(deltas), {}), completion, stream)
            return
        if stream:
            with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
            self._stream(self._chunks(completion, paced, with_usage))
            return
        try:
            for _ in paced:
                pass
        except EngineDead:
            raise internal_error(ENGINE_DEAD) from None
        self._json(200, completion.whole())

    def _cut(self, first: Dict[str, Any], completion: Completion, stream: bool) -> None:
        """End the connection after the first words of a stream, or without a word."""
        self.close_connection = True
        if stream:
            self._begin(200, "text/event-stream; charset=utf-8", ("Transfer-Encoding", "chunked"))
            self._write_event(_compact(completion.chunk(first)))

    @staticmethod
    def _chunks(completion: Completion, paced: Iterator[Dict[str, Any]], with_usage: bool) -> Iterator[Dict[str, Any]]:
        """The stream's chunks. A server that ends says so in the stream, as vLLM does: the status was 200 already."""
        try:
            for number, delta in enumerate(paced):
                if number == 0:
                    yield completion.chunk({"role": "assistant", "content": ""})
                yield completion.chunk(delta)
        except EngineDead:
            yield internal_error(ENGINE_DEAD).body
            return
        yield completion.chunk({}, finished=True)
        if with_usage:
            yield completion.usage_chunk()

    # writing

    def _stream(self, events: Iterator[Dict[str, Any]]) -> None:
        """Server-sent events in chunked encoding, `[DONE]` at the end."""
        self._begin(200, "text/event-stream; charset=utf-8", ("Transfer-Encoding", "chunked"))
        for event in events:
            self._write_event(_compact(event))
        self._write_event(b"[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _write_event(self, data: bytes) -> None:
        event = b"data: " + data + b"\n\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))

    def _json(self, status: int, body: Any, retry_after_s: Optional[int] = None) -> None:
        more = [] if retry_after_s is None else [("Retry-After", str(retry_after_s))]
        self._send(status, _compact(body), "application/json", *more)

    def _send(self, status: int, body: bytes, content_type: str, *more: Tuple[str, str]) -> None:
        self._begin(status, content_type, ("Content-Length", str(len(body))), *more)
        self.wfile.write(body)

    def _begin(self, status: int, content_type: str, framing: Tuple[str, str], *more: Tuple[str, str]) -> None:
        self.server.engine.metrics.count_http(self._handler, str(self.command), status)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for header in (framing, *more):
            self.send_header(*header)
        self.end_headers()

    def version_string(self) -> str:
        return "uvicorn"

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """uvicorn's access log; the paths that monitors ask for are left out."""
        # A request that is no HTTP has no path.
        if getattr(self, "path", "") not in ("/health", "/metrics"):
            phrase = self.responses[code][0] if code in self.responses else ""
            client = "%s:%d" % self.client_address[:2]
            write_line('INFO:     %s - "%s" %d %s' % (client, self.requestline, code, phrase))

    def log_message(self, *_: Any) -> None:
        """Nothing else is logged: vLLM says nothing about connections that end."""


def _compact(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


# --- main ------------------------------------------------------------------------------------------------------------


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the arguments that matter; whatever else `vllm serve` takes is passed over."""
    parser = argparse.ArgumentParser(prog="vllm serve", add_help=False, allow_abbrev=False)
    parser.add_argument("model")
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104 - vLLM's own default
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--served-model-name", nargs="+")
    parser.add_argument("--max-model-len", type=_length, default=MAX_MODEL_LEN)
    parser.add_argument("--max-num-seqs", type=int, default=256)
    parser.add_argument("--enforce-eager", action="store_true")
    parser.add_argument("--role", choices=("agent", "expert", "user"), default="expert")
    parser.add_argument("--latency-of", choices=tuple(PUBLISHED), default="orchestrator")
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--start-s", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--script", default="")
    parser.add_argument("--fault", type=parse_fault, default=("none", None, 1.0), metavar="NAME[:COUNT][@RATE]")
    options, _ = parser.parse_known_args(argv)
    options.served_model_name = options.served_model_name or [options.model]
    return options


def _length(text: str) -> int:
    """vLLM also takes 32k and auto; a rehearsal only has to know plain numbers."""
    return int(text) if text.isdecimal() else MAX_MODEL_LEN


def load_script(path: str) -> Dict[str, Task]:
    """The tasks that the players know; without a file they know none."""
    if not path:
        return {}
    with open(path, encoding="utf-8") as file:
        return dict(json.load(file))


def main(argv: Sequence[str]) -> int:
    """Start up, serve until TERM or an interrupt, and shut down. Raises OSError if the port is taken."""
    options = parse_arguments(argv)
    with Server(options, load_script(options.script)) as server:
        # Bound but not listening, as vLLM: connections are refused, and a second server on this port fails at once.
        server.server_bind()
        began = time.monotonic()
        start_up(options, lambda share: time.sleep(max(0.0, began + share * options.start_s - time.monotonic())))
        try:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            serve(server)
        except KeyboardInterrupt:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        log("launcher.py:254", "[shutdown] API server: shutdown triggered")
        server.stop()
        log("launcher.py:304", "[shutdown] API server: shutting down FastAPI HTTP server")
        write_line("INFO:     Shutting down", 2)
        write_line("INFO:     Application shutdown complete.", 2)
    return 0


def serve(server: Server) -> None:
    """Accept connections until the process is told to stop."""
    threading.Thread(target=server.engine.log_throughput, daemon=True).start()
    write_line("INFO:     Started server process [%d]" % os.getpid(), 2)
    server.server_activate()
    write_line("INFO:     Application startup complete.", 2)
    server.serve_forever(poll_interval=60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
