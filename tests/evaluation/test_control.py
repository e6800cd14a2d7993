"""Requests to a driver, and who gets which answer."""

from __future__ import annotations

import json
from pathlib import Path

from tau2tui.core.layout import eval_request_file, result_of
from tau2tui.evaluation.control import Reply, Request, RequestBox


def drop(run_dir: Path, number: int, text: str, verb: str = "pause") -> Path:
    """Put a request into the run directory; the path of the answer to it."""
    name = eval_request_file(number, verb)
    path = run_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return run_dir / result_of(name)


def answer_in(path: Path) -> Reply:
    return Reply(**json.loads(path.read_text()))


class Decider:
    """Agrees to everything and remembers it."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Reply:
        self.asked.append(request)
        return Reply(True, f"{request.verb} it is")


def test_requests_are_answered_once_and_in_order(tmp_path: Path) -> None:
    box, decide = RequestBox(tmp_path), Decider()
    later = drop(tmp_path, 20, '{"verb": "resume"}', "resume")
    first = drop(tmp_path, 3, '{"verb": "concurrency", "value": 4}', "concurrency")
    box.answer(decide)
    box.answer(decide)
    assert decide.asked == [Request("concurrency", 4), Request("resume")]
    assert answer_in(first) == Reply(True, "concurrency it is")
    assert answer_in(later) == Reply(True, "resume it is")


def test_a_request_from_before_the_start_is_not_obeyed(tmp_path: Path) -> None:
    result = drop(tmp_path, 1, '{"verb": "stop"}', "stop")
    box, decide = RequestBox(tmp_path), Decider()
    assert not answer_in(result).ok
    assert "no longer valid" in answer_in(result).message
    box.answer(decide)
    assert decide.asked == []


def test_what_is_no_request_is_refused(tmp_path: Path) -> None:
    box, decide = RequestBox(tmp_path), Decider()
    results = [drop(tmp_path, number, text) for number, text in enumerate(("", "[]", "{}", '{"verb": 3}', "null"))]
    box.answer(decide)
    assert decide.asked == []
    assert [answer_in(result) for result in results] == [Reply(False, "not a request")] * 5


def test_files_that_are_being_written_are_left_alone(tmp_path: Path) -> None:
    box, decide = RequestBox(tmp_path), Decider()
    (tmp_path / "eval/control/.half.tmp").write_text("{")
    box.answer(decide)
    assert decide.asked == []
    assert [file.name for file in (tmp_path / "eval/control").iterdir()] == [".half.tmp"]


def test_what_is_still_open_at_the_end_is_refused_with_the_reason(tmp_path: Path) -> None:
    box = RequestBox(tmp_path)
    result = drop(tmp_path, 1, '{"verb": "pause"}')
    box.refuse("the evaluation is over")
    assert answer_in(result) == Reply(False, "the evaluation is over")
