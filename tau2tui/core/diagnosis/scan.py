"""One log, fed in stretches of bytes: which causes it shows, in memory that does not grow with it.

A cheap search in bytes picks the lines that may matter; only they are taken apart and held against the signatures.
Wrappers, lines that only say that something failed, are traced to the first exception above them. What a server
says while it is being stopped is no failure: vLLM reports `EngineDeadError` at an ordinary stop.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tau2tui.config import LogKind
from tau2tui.core.diagnosis.anchors import all_lines, lines_with
from tau2tui.core.diagnosis.finding import Finding, Place, make_finding
from tau2tui.core.diagnosis.lines import Line, bounded, read_line
from tau2tui.core.diagnosis.table import Signature, Table

_EXCEPTION = re.compile(r"^(?:[\w ]{0,40}: )?(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt)\b: ")
_ARGUMENT = re.compile(r"'(gpu_memory_utilization|max_model_len|max_num_seqs|tensor_parallel_size)': ([0-9.]+)")
_STOP = re.compile(r"^\[shutdown\] API server: shutdown triggered|^Shutting down(?: FastAPI HTTP server\.?)?$")
_ENGINE_STOP = re.compile(r"^\[shutdown\] EngineCore: trigger received signal=SIG(?:TERM|INT)\b")
"""An engine that is stopped with its process group may end before the API server has heard of it."""
_WHOLE_LOG = "*"
_KEPT_EXCEPTIONS = 64
_NEAR_LINES = 400
"""Between an exception and what follows from it: a traceback of every worker."""
_REMEMBERED_TEXTS = 512
_LOOK_BACK_BYTES = 16 << 10


@dataclass(slots=True)
class _Seen:
    line: int
    text: str
    said: Mapping[str, str]
    count: int = 1
    root: tuple[int, str] | None = None


@dataclass(slots=True)
class LogScan:
    """The state of one log's reading: `feed` it from the first byte to the last, then `finish`."""

    table: Table
    place: Place = field(default_factory=Place)
    kind: LogKind | None = None
    """What wrote the log; None: not known, and everything is looked for."""
    lines: int = 0
    """Whole lines so far."""
    _rest: bytes = b""
    _above: bytes = b""
    """How the blocks before this one end: a message may have begun there."""
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _exceptions: deque[tuple[int, str, str]] = field(default_factory=lambda: deque(maxlen=_KEPT_EXCEPTIONS))
    _facts: dict[str, str] = field(default_factory=dict)
    _stopping: set[str] = field(default_factory=set)
    """The processes that were told to stop, by pid; "" where the log does not name them."""
    _ready: bool = False
    _asked: dict[str, tuple[Signature, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.table = self.table.of_kind(self.kind)

    def feed(self, data: bytes) -> None:
        """Read on; `data` may end anywhere."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._rest = bounded(self._rest + data)
            return
        self._block(self._rest + data[:end])
        self._rest = bounded(data[end:])

    def finish(self) -> tuple[Finding, ...]:
        """What was found: what ends a server first, wrappers last, each in the order in which they appear."""
        if self._rest:
            self._block(self._rest + b"\n")
            self._rest = b""
        shown = [(each, seen) for each in self.table.signatures if (seen := self._seen.get(each.config.id))]
        shown = [(each, seen) for each, seen in shown if seen.count >= each.config.at_least]
        covered = {name for each, _ in shown for name in each.config.covers}
        shown = [(each, seen) for each, seen in shown if each.config.id not in covered]
        known = any(each.config.fatal and not each.config.wrapper for each, _ in shown)
        wrappers = [
            (each, seen)
            for each, seen in shown
            if each.config.wrapper and not known and (seen.root or each.config.alone)
        ]
        causes = [(each, seen) for each, seen in shown if not each.config.wrapper]
        causes.sort(key=lambda one: (not one[0].config.fatal, one[1].line))
        # All wrappers of a log go back to one cause; the first is the nearest to it.
        wrappers.sort(key=lambda one: (one[1].root is None, one[1].line))
        return tuple(self._finding(each, seen) for each, seen in (*causes, *wrappers[:1]))

    def _finding(self, signature: Signature, seen: _Seen) -> Finding:
        line, text = seen.root or (seen.line, seen.text)
        said = {**self._facts, **seen.said}
        return make_finding(signature.config, self.place, line, text, seen.count, said, root=text if seen.root else "")

    def _block(self, block: bytes) -> None:
        """Whole lines."""
        anchors = self.table.anchors
        counted = 0
        for start, stop in lines_with(anchors, block) if anchors else all_lines(block):
            self.lines += block.count(b"\n", counted, start)
            line = read_line(block[start:stop])
            if not line.level and self.kind != "server" and self._continues_information(block, start):
                line = Line(line.text, line.role, line.pid, "INFO")
            self.lines += 1
            self._line(line, self.lines)
            counted = stop + 1
        self.lines += block.count(b"\n", counted)
        self._above = (self._above + block if len(block) < _LOOK_BACK_BYTES else block)[-_LOOK_BACK_BYTES:]

    def _continues_information(self, block: bytes, start: int) -> bool:
        above = block[max(0, start - _LOOK_BACK_BYTES) : start]
        if start < _LOOK_BACK_BYTES:
            above = (self._above + above)[-_LOOK_BACK_BYTES:]
        return _continues_information(above, block[start : block.find(b"\n", start)])

    def _line(self, line: Line, number: int) -> None:
        if self._changes_state(line):
            return
        wrapped = False
        for signature in self._candidates(line.text):
            config = signature.config
            if (config.once_ready and not self._ready) or self._is_of_a_stop(signature, line):
                continue
            said = signature.find(line)
            if said is None:
                continue
            wrapped = wrapped or config.wrapper
            seen = self._seen.get(config.id)
            if seen is None:
                root = self._root(number) if config.wrapper else None
                self._seen[config.id] = _Seen(number, line.text, said, root=root)
            else:
                seen.count += 1
        if not wrapped and not line.is_information and not self._stopped(line) and _EXCEPTION.match(line.text.lstrip()):
            self._exceptions.append((number, line.text.strip(), line.role))

    def _candidates(self, text: str) -> tuple[Signature, ...]:
        """The signatures that a line may show; what fails often says the same each time, so that is remembered."""
        candidates = self._asked.get(text)
        if candidates is None:
            if len(self._asked) >= _REMEMBERED_TEXTS:
                self._asked.clear()
            candidates = self._asked[text] = self.table.candidates(text)
        return candidates

    def _changes_state(self, line: Line) -> bool:
        """Starts, arguments and stops of a server."""
        text = line.text
        if "non-default args: " in text:
            self._facts.update(_ARGUMENT.findall(text))
            self._stopping.discard(line.pid)
            self._stopping -= {"", _WHOLE_LOG}
            return True
        if text.startswith("Application startup complete"):
            self._ready = True
            return True
        if line.level in ("INFO", "") and _STOP.match(text):
            self._stopping.add(line.pid)
            return True
        if _ENGINE_STOP.match(text):
            self._stopping.add(_WHOLE_LOG)
            return True
        return False

    def _stopped(self, line: Line) -> bool:
        """Whether the process that says this was told to stop before."""
        if _WHOLE_LOG in self._stopping and self.kind != "job":
            return True
        return (line.pid if line.role == "APIServer" else "") in self._stopping

    def _is_of_a_stop(self, signature: Signature, line: Line) -> bool:
        """Whether this is what a server says while it stops, and no failure of its own."""
        if not self._stopping:
            return False
        if signature.config.wrapper:
            return self._stopped(line) or (line.role != "APIServer" and self.kind == "server")
        return self.kind == "server" and signature.config.applies[:1] == ("server",)

    def _root(self, number: int) -> tuple[int, str] | None:
        """The first exception of those that lead up to a wrapper; one of the engine rather than of the API server."""
        chain: list[tuple[int, str, str]] = []
        before = number
        for exception in reversed(self._exceptions):
            if before - exception[0] > _NEAR_LINES:
                break
            chain.append(exception)
            before = exception[0]
        inner = [each for each in chain if each[2] in ("EngineCore", "Worker")] or chain
        return (inner[-1][0], inner[-1][1]) if inner else None


def _continues_information(above: bytes, own: bytes) -> bool:
    """Whether a line without a level of its own belongs to a message above it that was logged as information.

    A message of several lines, such as a quoted answer of a model, bears its level only in the first of them.
    """
    heads = list(_HEAD.finditer(above))
    if not heads:
        return False
    head = heads[-1]
    if _HEAD.match(own) or b"Traceback (most recent call last)" in above[head.end() :]:
        return False
    return head[1] in (b"DEBUG", b"PROFILE", b"USER_JUDGE", b"INFO")


_HEAD = re.compile(
    rb"^(?:\x1b\[[0-9;]*m)?\[(?:(DEBUG|PROFILE|USER_JUDGE|INFO|WARNING|ERROR)\] )?\d{4}-\d\d-\d\d ", re.MULTILINE
)
