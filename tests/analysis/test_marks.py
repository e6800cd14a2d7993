"""What a driver's lines say of the course of a run, from hand-made logs."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

from tau2tui.analysis.marks import read_marks

DAY = "2025-12-30"
LINES = f"""\
[{DAY} 17:00:00] Evaluation starts: 40 units, 0 of them finished before, at most 4 at once
[{DAY} 17:01:00] FINISHED SIMULATION: Domain: retail
[TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=1 status=ok completed_domain=1 total_domain=40
[{DAY} 17:02:00] Request pause: paused: no new units start, 3 units are running to their end
[{DAY} 17:04:00] Request concurrency: at most 8 units at once, 0 units are running
[{DAY} 17:12:00] Request resume: resumed
[{DAY} 17:20:00] Paused: the budget of $5.00 is spent ($5.02); raise it
"""


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"{DAY} {clock}")


def written(directory: Path, text: str = LINES) -> Path:
    path = directory / "fullrun.log"
    path.write_text(text)
    return path


def test_pauses_by_request_and_by_the_budget_are_known(tmp_path: Path) -> None:
    marks = read_marks([written(tmp_path)])
    assert marks.pauses == ((at("17:02:00"), at("17:12:00")), (at("17:20:00"), None))
    assert marks.paused_s(at("17:00:00"), at("17:10:00")) == 480.0
    assert marks.paused_s(at("17:10:00"), at("17:30:00")) == 720.0
    assert marks.paused_s(at("17:13:00"), at("17:19:00")) == 0.0


def test_a_new_driver_is_not_paused(tmp_path: Path) -> None:
    start = f"[{DAY} 17:30:00] Evaluation starts: 40 units, 20 of them finished before, at most 16 at once\n"
    marks = read_marks([written(tmp_path, LINES + start)])
    assert marks.pauses[-1] == (at("17:20:00"), at("17:30:00"))
    assert marks.begun == (at("17:00:00"), at("17:30:00"))


def test_how_many_run_at_once_is_what_the_driver_last_said(tmp_path: Path) -> None:
    assert read_marks([written(tmp_path)]).limits == ((at("17:00:00"), 4), (at("17:04:00"), 8))


def test_a_copy_of_the_lines_in_another_file_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "copy.log").write_text(LINES)
    assert read_marks([path, tmp_path / "copy.log"]) == read_marks([path])


def test_a_packed_log_is_read_as_the_plain_one(tmp_path: Path) -> None:
    path = written(tmp_path)
    packed = tmp_path / "fullrun.log.gz"
    packed.write_bytes(gzip.compress(LINES.encode()))
    assert read_marks([packed]) == read_marks([path])


def test_a_packed_log_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    packed = tmp_path / "fullrun.log.gz"
    packed.write_bytes(gzip.compress(LINES.encode())[:-12])
    whole = read_marks([written(tmp_path)]).pauses
    assert read_marks([packed]).pauses == whole[:1] != whole
