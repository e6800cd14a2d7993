"""The lines of one log → its errors, and how its units ended."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from dataclasses import replace
from pathlib import Path

from tau2tui.analysis.errors.classes import UNKNOWN, Classifier
from tau2tui.analysis.errors.forms import (
    ATTEMPT,
    GRAVE,
    HEAD,
    MARKER,
    STAND_IN,
    TALK,
    TASK_FAILED,
    server_line,
    task_of,
    undressed,
)
from tau2tui.analysis.errors.found import EVALUATION, End, Found, LogErrors
from tau2tui.analysis.errors.lines import Line, LineSearch
from tau2tui.analysis.errors.tracebacks import Traceback
from tau2tui.core.log_names import EVALUATION_LOG, SERVER_LOG, domain_of

_NEAR = 6
"""Errors before a line that says what became of an attempt, among which that attempt is looked for."""
_NEAR_LINES = 12
"""How many lines it may be away, if neither names a task."""
_MOST_TEXT = 300
_LONGEST_IDENTITY = 64
"""Characters; of a longer one the hash is kept."""


def read_errors(path: Path, search: LineSearch, classifier: Classifier) -> LogErrors:
    """Read one log. Raises OSError."""
    log = LogErrors(path, domain_of(path.name))
    reader = _Reader(log, classifier)
    for line in search.lines(path):
        reader.take(line)
    log.last_at = search.last_at
    if search.from_evaluation or log.ends or log.over_at or EVALUATION_LOG.fullmatch(path.name):
        log.origin = EVALUATION
    else:
        replica = SERVER_LOG.fullmatch(path.name)
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
        self._examples: dict[str, str] = {}

    def take(self, line: Line) -> None:
        if line.traceback is not None:
            self._traceback(line, line.traceback)
            return
        bare = undressed(line.text).rstrip()
        if "[TAU2_TASK_COMPLETE]" in bare:
            self._marker(line, bare)
        elif bare.startswith("Global evaluation complete:"):
            self._log.over_at = line.at or self._log.over_at
        elif failed := TASK_FAILED.fullmatch(bare):
            self._task_failed(line, bare, failed)
        elif attempt := ATTEMPT.fullmatch(bare):
            self._add(self._attempt(line, bare, attempt))
        else:
            self._other(line, bare)

    def _attempt(self, line: Line, bare: str, attempt: re.Match[str]) -> Found:
        """A line of our driver: it names the class itself."""
        said = "stood_in" if STAND_IN in bare else self._classifier.said(bare) or ""
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
        found = MARKER.search(bare)
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
        head = HEAD.fullmatch(bare)
        level, text = (head["level"], head["message"]) if head else server_line(bare)
        said = self._classifier.said(text) or ""
        if level in TALK and not (said and head and level == "INFO"):
            return
        kind = self._classifier.of(text)
        domain, task_id = task_of(head["task"] if head else "", self._log.domain)
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
        if kind is None and not said and level not in GRAVE:
            return
        self._add(one)
        if level in GRAVE:
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
        headline, text = traceback.headline, traceback.text
        kind = (
            self._classifier.of(headline)
            or self._classifier.of_frames(text)
            or self._classifier.of(" ".join(traceback.causes))
        )
        head = HEAD.fullmatch(undressed(traceback.prefix))
        domain, task_id = task_of(head["task"] if head else "", self._log.domain)
        one = Found(
            line.number,
            line.at,
            kind or UNKNOWN,
            headline[:_MOST_TEXT],
            identity=text,
            exception=traceback.name,
            place=traceback.place,
            example=text,
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
        if len(one.identity) > _LONGEST_IDENTITY:
            # The same traceback may stand in a log many thousand times: its text is held once.
            identity = hashlib.sha256(one.identity.encode("utf-8", "replace")).hexdigest()
            one = replace(one, identity=identity, example=self._examples.setdefault(one.example, one.example))
        if one.said in ("", "permanent"):  # a unit that fails of a permanent error is no other error
            self._recent.append(len(self._log.errors))
        self._log.errors.append(one)
