"""The lines of one log → its errors, and how its units ended."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from tau2tui.analysis.errors.classes import UNKNOWN, Classifier
from tau2tui.analysis.errors.lines import Line, LineSearch
from tau2tui.analysis.errors.tracebacks import Traceback
from tau2tui.analysis.logfile import file_domain
from tau2tui.analysis.markers import DRESS

EVALUATION, SERVER = "evaluation", "server"
_EVALUATION_LOG = re.compile(r"(?:fullrun|(?:tau2|eval)_.+?)\.log(?:\.\d+)?")
_REPLICA_LOG = re.compile(r"(?P<replica>.+-\d+)\.\d+\.log")
_NEAR = 6
"""Errors before a line that says what became of an attempt, among which that attempt is looked for."""
_NEAR_LINES = 12
"""How many lines it may be away, if neither names a task."""
_MOST_TEXT = 300

_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?"
_DRESS = re.compile(DRESS)
_HEAD = re.compile(rf"\[(?P<level>[A-Z_]+)\] (?P<at>{_TIME}) (?:task=(?P<task>.*?) thread=-?\d+ ?)?(?P<message>.*)")
_SERVER_HEAD = re.compile(
    r"(?:\([^()]*\) ?)?(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\b(?: \d\d-\d\d \d\d:\d\d:\d\d)?(?: \[[^\]]*\])?:? ?"
)
"""`(APIServer pid=1) ERROR 11-26 22:51:56 [serving.py:1173] `, as vLLM begins its lines."""
_TALK = ("DEBUG", "INFO", "PROFILE", "USER_JUDGE", "TRACE", "SUCCESS")
"""Levels of lines that may quote anything, such as a whole conversation, and tell of no error."""
_GRAVE = ("ERROR", "CRITICAL", "FATAL")
_UNIT = r"(?P<domain>[a-z][a-z0-9_]*)/(?P<task_id>.*)#(?P<trial>\d{1,9})"
_ATTEMPT = re.compile(
    rf"{_UNIT} (?P<series>[^\s:]+)(?: at (?P<replica>[^\s:]+))?: "
    r"(?:LLM call failed permanently after \d+ attempts: )?(?P<class>[a-z_]+): (?P<message>.*?)"
    r"(?:\. (?:Retry \d+/\d+ in \d+s\.\.\.|Nothing in \d+ attempts).*)?"
)
_TASK_FAILED = re.compile(rf"Task failed: {_UNIT}: (?P<class>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?")
_MARKER = re.compile(
    r"\[TAU2_TASK_COMPLETE\] domain=(?P<domain>\S+) trial=(?P<trial>\d{1,9}) task_id=(?P<task_id>.*) "
    r"status=(?P<status>ok|error|skipped)\b(?!.*\[TAU2_TASK_COMPLETE\])"
)
_STAND_IN = "a neutral text stands in"
SEARCHED = (
    r"\[TAU2_TASK_COMPLETE\]",
    "Global evaluation complete:",
    r"\[(?:ERROR|CRITICAL|FATAL)\] \d{4}-",
    r"(?:ERROR|CRITICAL) \d\d-\d\d \d\d:",
    _STAND_IN,
)
"""What is looked for besides the patterns of the classes."""


@dataclass(frozen=True, slots=True)
class Found:
    """One error: an attempt that failed, or whatever else went wrong once."""

    line: int
    at: datetime | None
    kind: str
    """Its class."""
    text: str
    identity: str
    """What its copy in another log says as well."""
    timed: bool = False
    """Its line has a time of its own: two of them that are alike are copies of one."""
    domain: str = ""
    task_id: str = ""
    trial: int | None = None
    series: str = ""
    replica: str = ""
    said: str = ""
    """`retry`, `permanent`, `task_failed` or `stood_in`: what the log says became of the attempt."""
    exception: str = ""
    place: str = ""
    example: str = ""
    """A traceback as it stands in the log."""


@dataclass(frozen=True, slots=True)
class End:
    """A unit that ended, by its completion marker."""

    line: int
    at: datetime | None
    domain: str
    task_id: str
    trial: int
    status: str

    @property
    def ok(self) -> bool:
        return self.status == "ok"


@dataclass(slots=True)
class LogErrors:
    """What one file says."""

    path: Path
    domain: str
    origin: str = SERVER
    errors: list[Found] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    over_at: datetime | None = None
    """When the evaluation said that it was complete, if it did."""
    last_at: datetime | None = None
    """The last time that stands in the file."""


def read_errors(path: Path, search: LineSearch, classifier: Classifier) -> LogErrors:
    """Read one log. Raises OSError."""
    log = LogErrors(path, file_domain(path))
    reader = _Reader(log, classifier)
    for line in search.lines(path):
        reader.take(line)
    log.last_at = search.last_at
    if search.from_evaluation or log.ends or log.over_at or _EVALUATION_LOG.fullmatch(path.name):
        log.origin = EVALUATION
    else:
        replica = _REPLICA_LOG.fullmatch(path.name)
        log.errors = [replace(one, replica=replica["replica"] if replica else path.stem) for one in log.errors]
    return log


class _Reader:
    """Goes through the lines of a file, and joins those that tell of the same attempt."""

    def __init__(self, log: LogErrors, classifier: Classifier) -> None:
        self._log = log
        self._classifier = classifier
        self._recent: deque[int] = deque(maxlen=_NEAR)
        """Places of errors of which nothing has been said yet."""
        self._headed = -1
        """Number of the last line with an error's level: a traceback below it belongs to it."""

    def take(self, line: Line) -> None:
        if line.traceback is not None:
            self._traceback(line, line.traceback)
            return
        bare = line.text[_DRESS.match(line.text).end() :].rstrip()  # type: ignore[union-attr]  # all of it is optional
        if "[TAU2_TASK_COMPLETE]" in bare:
            self._marker(line, bare)
        elif bare.startswith("Global evaluation complete:"):
            self._log.over_at = line.at or self._log.over_at
        elif failed := _TASK_FAILED.fullmatch(bare):
            self._task_failed(line, bare, failed)
        elif attempt := _ATTEMPT.fullmatch(bare):
            self._add(self._attempt(line, bare, attempt))
        else:
            self._other(line, bare)

    def _attempt(self, line: Line, bare: str, attempt: re.Match[str]) -> Found:
        """A line of our driver: it names the class itself."""
        said = "stood_in" if _STAND_IN in bare else self._classifier.said(bare) or ""
        return Found(
            line.number,
            line.at,
            attempt["class"],
            attempt["message"][:_MOST_TEXT],
            identity=line.text.strip(),
            domain=attempt["domain"],
            task_id=attempt["task_id"],
            trial=int(attempt["trial"]),
            series=attempt["series"],
            replica=attempt["replica"] or "",
            said=said,
            timed=True,
        )

    def _marker(self, line: Line, bare: str) -> None:
        found = _MARKER.search(bare)
        if found is None:
            return
        task_id = found["task_id"]
        if bare.startswith("("):  # printed as a Python tuple: quotes and backslashes are escaped
            task_id = re.sub(r"\\(['\"\\])", r"\1", task_id)
        end = End(line.number, line.at, found["domain"], task_id, int(found["trial"]), found["status"])
        self._log.ends.append(end)

    def _task_failed(self, line: Line, bare: str, failed: re.Match[str]) -> None:
        """The end of a unit: of the attempt that it could not do without, or of the traceback that is told of it."""
        unit = (failed["domain"], failed["task_id"], int(failed["trial"]))
        for place in reversed(self._recent):
            one = self._log.errors[place]
            if (one.domain, one.task_id, one.trial) == unit and one.kind == failed["class"]:
                return
            same = one.exception.rpartition(".")[2] == failed["class"] and one.domain in ("", unit[0])
            if one.example and not one.task_id and same:
                told = {"domain": unit[0], "task_id": unit[1], "trial": unit[2], "said": "task_failed"}
                self._log.errors[place] = replace(one, **told, identity=line.text.strip(), timed=True)  # type: ignore[arg-type]
                self._recent.remove(place)
                return
        known = failed["class"] in self._classifier.names or failed["class"].islower()
        self._add(
            Found(
                line.number,
                line.at,
                failed["class"] if known else self._classifier.of(bare) or UNKNOWN,
                (failed["message"] or failed["class"])[:_MOST_TEXT],
                identity=line.text.strip(),
                timed=True,
                domain=unit[0],
                task_id=unit[1],
                trial=unit[2],
                said="task_failed",
                exception="" if known else failed["class"],
            )
        )

    def _other(self, line: Line, bare: str) -> None:
        """A line of anyone else."""
        head = _HEAD.fullmatch(bare)
        level, text = (head["level"], head["message"]) if head else _server_line(bare)
        said = self._classifier.said(text) or ""
        if level in _TALK and not (said and head and level == "INFO"):
            return
        kind = self._classifier.of(text)
        domain, task_id = _task(head["task"] if head else "", self._log.domain)
        one = Found(
            line.number,
            line.at,
            kind or UNKNOWN,
            text[:_MOST_TEXT],
            identity=bare,
            timed=head is not None,
            said=said,
            domain=domain,
            task_id=task_id,
        )
        if said and kind is None and self._said_of_another(one):
            return
        if kind is None and not said and level not in _GRAVE:
            return
        self._add(one)
        if level in _GRAVE:
            self._headed = line.number

    def _said_of_another(self, one: Found) -> bool:
        """Note what a line without a class says with the attempt that it is about, if that is near."""
        for place in reversed(self._recent):
            other = self._log.errors[place]
            apart = {other.task_id, one.task_id} - {""}
            near = one.line - other.line <= _NEAR_LINES
            if len(apart) <= 1 and (near or (other.task_id == one.task_id != "")):
                named = {"domain": other.domain or one.domain, "task_id": other.task_id or one.task_id}
                self._log.errors[place] = replace(other, said=one.said, **named)  # type: ignore[arg-type]
                self._recent.remove(place)
                return True
        return False

    def _traceback(self, line: Line, traceback: Traceback) -> None:
        headline = traceback.headline
        causes = " ".join(traceback.causes)
        kind = (
            self._classifier.of(headline) or self._classifier.of_frames(traceback.text) or self._classifier.of(causes)
        )
        head = _HEAD.fullmatch(traceback.prefix[_DRESS.match(traceback.prefix).end() :])  # type: ignore[union-attr]
        domain, task_id = _task(head["task"] if head else "", self._log.domain)
        one = Found(
            line.number,
            line.at,
            kind or UNKNOWN,
            headline[:_MOST_TEXT],
            identity=traceback.text,
            exception=traceback.name,
            place=traceback.place,
            example=traceback.text,
            domain=domain,
            task_id=task_id,
        )
        errors = self._log.errors
        if errors and self._headed == errors[-1].line == traceback.first_line - 1:
            # `logger.exception`: a line that says when and in which task, then the traceback.
            told = errors.pop()
            self._recent = deque((place for place in self._recent if place < len(errors)), _NEAR)
            one = replace(
                one,
                at=told.at,
                kind=kind or told.kind,
                identity=f"{told.identity}\n{one.identity}",
                timed=told.timed,
                domain=told.domain,
                task_id=told.task_id,
                said=told.said,
            )
        self._add(one)

    def _add(self, one: Found) -> None:
        if one.said in ("", "permanent"):  # a unit that fails of a permanent error is no other error
            self._recent.append(len(self._log.errors))
        self._log.errors.append(one)


def _server_line(bare: str) -> tuple[str, str]:
    """The level of a line that is not laid out as the evaluation does it ("" without one), and what it says."""
    head = _SERVER_HEAD.match(bare)
    return (head["level"], bare[head.end() :]) if head else ("", bare)


def _task(task: str | None, domain: str) -> tuple[str, str]:
    """Domain and task id: in the log of several domains, the id stands behind its domain (`retail:17`)."""
    task = task or ""
    if not domain and (found := re.fullmatch(r"(?P<domain>[a-z][a-z0-9_]*):(?P<id>.+)", task)):
        return found["domain"], found["id"]
    return domain, task.removeprefix(f"{domain}:") if domain else task
