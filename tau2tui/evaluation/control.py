"""Requests to the driver: files that anyone may drop into the run directory, each answered by a file beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tau2tui.core.layout import EVAL_CONTROL, RESULT_SUFFIX, result_of
from tau2tui.files import write_atomically


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked."""

    verb: str
    value: object = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of it; `message` is for people."""

    ok: bool
    message: str


class RequestBox:
    """The directory of requests. What lies in it unanswered when a driver starts was meant for an earlier one."""

    def __init__(self, run_dir: Path) -> None:
        self._directory = run_dir / EVAL_CONTROL
        self._directory.mkdir(parents=True, exist_ok=True)
        self.refuse("no longer valid: it was asked before this evaluation started")

    def answer(self, decide: Callable[[Request], Reply]) -> None:
        """Let every request that has no answer yet be decided, the oldest first."""
        for file in self._unanswered():
            self._reply(file, decide(request) if (request := _read(file)) else Reply(False, "not a request"))

    def refuse(self, why: str) -> None:
        """Answer everything that is still open with no."""
        for file in self._unanswered():
            self._reply(file, Reply(False, why))

    def _unanswered(self) -> list[Path]:
        names = {file.name for file in self._directory.iterdir() if file.suffix == ".json"}
        return [
            self._directory / name
            for name in sorted(names)
            if not name.endswith(RESULT_SUFFIX) and Path(result_of(name)).name not in names
        ]

    def _reply(self, file: Path, reply: Reply) -> None:
        write_atomically(Path(result_of(str(file))), json.dumps(asdict(reply)), parents=True)


def _read(file: Path) -> Request | None:
    try:
        data = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("verb"), str):
        return None
    return Request(data["verb"], data.get("value"))
