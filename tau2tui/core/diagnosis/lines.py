"""A line of a log, freed of what its writers put around the message: colours, labels of tasks, process and level."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tau2tui.core.printable import without_escapes

HEAD_BYTES = 4096
TAIL_BYTES = 1024
"""What is looked at of a line that is longer: a prompt of megabytes, or a progress bar, must not hold up anything."""
_GAP = b" [...] "

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")
_TASK_LABEL = re.compile(r"^\s*\d{1,6}: ")
"""As `srun --label` puts it before the lines of each task."""
_CHILD = re.compile(r"^\[[\w./-]+ STD(?:OUT|ERR)\] ")
_STAMP = re.compile(r"^\[\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?\] ")
_PROCESS = re.compile(
    r"^\((?P<role>APIServer|EngineCore|Worker|ApiServer|DPCoordinator)[\w.-]*(?: pid=(?P<pid>\d+))?\) ?"
)
_VLLM_LEVEL = re.compile(
    r"^(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \[[^\]]*\] ?"
)
_UVICORN_LEVEL = re.compile(r"^(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL): {2,}")
_OWN_LEVEL = re.compile(
    r"^\[(?P<level>DEBUG|PROFILE|USER_JUDGE|INFO|WARNING|ERROR)\] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*"
    r"(?: task=.{0,200}? thread=\d+)? ?"
)
_LOGURU_LEVEL = re.compile(r"^\d{4}-\d\d-\d\d[ T]\S+ \| (?P<level>[A-Z]+) *\| (?:\S+:\d+ - )?")
_LEVELS = (_VLLM_LEVEL, _UVICORN_LEVEL, _OWN_LEVEL, _LOGURU_LEVEL)
_INFORMATION = frozenset(("TRACE", "DEBUG", "PROFILE", "USER_JUDGE", "INFO", "SUCCESS"))


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the message, who wrote it, and how grave its writer took it."""

    text: str
    role: str = ""
    """Of vLLM's processes: APIServer, EngineCore or Worker; empty if it does not say."""
    pid: str = ""
    level: str = ""
    """As it is written; empty for a line without one."""

    @property
    def is_information(self) -> bool:
        """It was logged as something that is worth no more than to be known: it may quote anything."""
        return self.level in _INFORMATION


def bounded(line: bytes) -> bytes:
    """A line, or the beginning and the end of one that is too long."""
    if len(line) <= HEAD_BYTES + len(_GAP) + TAIL_BYTES:
        return line
    return line[:HEAD_BYTES] + _GAP + line[-TAIL_BYTES:]


def read_line(raw: bytes | str) -> Line:
    """Take a line apart; bytes that are not UTF-8 become �, and control characters spaces."""
    text = bounded(raw).decode(errors="replace") if isinstance(raw, bytes) else raw[: HEAD_BYTES + TAIL_BYTES]
    text = _UNPRINTABLE.sub(" ", without_escapes(text.rstrip("\r\n")))
    role = pid = level = ""
    text = _TASK_LABEL.sub("", text)
    text = _CHILD.sub("", _STAMP.sub("", text))
    if found := _PROCESS.match(text):
        role, pid, text = found["role"], found["pid"] or "", text[found.end() :]
    for pattern in _LEVELS:
        if found := pattern.match(text):
            level, text = found["level"], text[found.end() :]
            break
    return Line(text.rstrip(), role, pid, level)
