from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from tau2tui.analysis.log_parts import Pending, Unjoined, Unparsed
from tau2tui.analysis.scan import Logs, read_logs
from tau2tui.analysis.stretches import STRETCH
from tau2tui.analysis.tail import LogTail
from tests.analysis.comparing import same
from tests.analysis.made_logs import LogMaker
from tests.analysis.test_scan import EXPERT_CALL, STEP, TOOL_CALL, USER_SIM


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def types(logs: Logs | None) -> list[str] | None:
    return None if logs is None else logs.events["type"].to_list()


def test_nothing_is_there_until_a_line_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    tail = LogTail([path])
    assert tail.poll() is None
    append(path, EXPERT_CALL[:-3])
    assert tail.poll() is None
    append(path, f"{EXPERT_CALL[-3:]}\n{USER_SIM}")
    logs = tail.poll()
    assert logs is not None
    assert logs.events.select("type", "duration_ms").rows() == [("expert_call", 2345.67)]
    assert logs.skipped.total == 0
    assert tail.poll() is None
    append(path, "\n")
    assert types(tail.poll()) == ["expert_call", "user_sim"]


def test_a_line_that_says_nothing_changes_nothing_that_was_said(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    append(path, f"{STEP}\n")
    tail = LogTail([path])
    assert types(tail.poll()) == ["step_complete"]
    append(path, "hello\n")
    assert types(tail.poll()) == ["step_complete"]


def test_a_log_that_appears_later_in_a_directory_is_read(tmp_path: Path) -> None:
    tail = LogTail(tmp_path)
    assert tail.poll() is None
    append(tmp_path / "fullrun.log", f"{STEP}\n")
    assert types(tail.poll()) == ["step_complete"]
    append(tmp_path / "tau2_retail.log", f"{STEP}\n{TOOL_CALL}\n")
    logs = tail.poll()
    assert logs is not None
    assert logs.events.select("domain", "type").rows() == [("retail", "step_complete"), ("retail", "tool_call")]


def test_a_replaced_log_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    append(path, f"{STEP}\n{STEP}\n")
    tail = LogTail([path])
    assert types(tail.poll()) == ["step_complete"] * 2
    append(tmp_path / "new", f"{USER_SIM}\n{TOOL_CALL}\n{EXPERT_CALL}\n")
    (tmp_path / "new").replace(path)
    assert types(tail.poll()) == ["user_sim", "tool_call", "expert_call"]


def test_a_shortened_log_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    append(path, f"{STEP}\n{STEP}\n")
    tail = LogTail([path])
    tail.poll()
    path.write_text("")
    assert types(tail.poll()) == []
    append(path, f"{USER_SIM}\n")
    assert types(tail.poll()) == ["user_sim"]


def test_a_log_that_was_overwritten_and_grew_past_its_old_end_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    append(path, f"{STEP}\n")
    tail = LogTail([path])
    tail.poll()
    inode = path.stat().st_ino
    path.write_text(f"{EXPERT_CALL}\n{USER_SIM}\n{TOOL_CALL}\n")
    assert path.stat().st_ino == inode
    assert types(tail.poll()) == ["expert_call", "user_sim", "tool_call"]


def test_a_rotated_log_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    append(path, f"{STEP}\n{USER_SIM}\n")
    tail = LogTail(tmp_path)
    tail.poll()
    path.rename(tmp_path / "fullrun.log.1")
    assert sorted(types(tail.poll()) or []) == ["step_complete", "user_sim"]
    append(path, f"{TOOL_CALL}\n")
    assert sorted(types(tail.poll()) or []) == ["step_complete", "tool_call", "user_sim"]


def test_a_vanished_log_keeps_what_it_said(tmp_path: Path) -> None:
    path, other = tmp_path / "a.log", tmp_path / "b.log"
    append(path, f"{STEP}\n")
    tail = LogTail([path, other])
    tail.poll()
    path.unlink()
    assert tail.poll() is None
    append(other, f"{USER_SIM}\n")
    assert types(tail.poll()) == ["step_complete", "user_sim"]


def test_growing_by_any_bytes_ends_where_reading_at_once_ends(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "grown").mkdir()
    files = LogMaker(5).write(tmp_path / "made", 300)
    cuts = random.Random(5)
    tail, last = LogTail(tmp_path / "grown"), None
    contents = {file.name: file.read_bytes() for file in files}
    written = dict.fromkeys(contents, 0)
    while any(written[name] < len(content) for name, content in contents.items()):
        name = cuts.choice([name for name, content in contents.items() if written[name] < len(content)])
        size = cuts.randrange(1, 6000)
        with (tmp_path / "grown" / name).open("ab") as file:
            file.write(contents[name][written[name] : written[name] + size])
        written[name] += size
        last = tail.poll() or last
    assert last is not None
    at_once = read_logs(files)
    assert_frame_equal(last.events, at_once.events, check_row_order=False)
    assert_frame_equal(last.tasks, at_once.tasks, check_row_order=False)
    assert_frame_equal(last.errors, at_once.errors, check_row_order=False)
    assert last.skipped.total == at_once.skipped.total


def test_only_new_bytes_are_read(tmp_path: Path) -> None:
    """What lies behind the cursor may change unseen, as long as size, inode and the bytes just before it do not."""
    path = tmp_path / "fullrun.log"
    append(path, f"{STEP}\n{USER_SIM}\n")
    tail = LogTail([path])
    tail.poll()
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), b"x" * 20, 0)
    append(path, f"{TOOL_CALL}\n")
    assert types(tail.poll()) == ["step_complete", "user_sim", "tool_call"]


def said(tail: LogTail) -> list[tuple[str, str]]:
    return [(incident.path.name, incident.what) for incident in tail.incidents]


def test_what_was_still_written_to_a_rotated_log_is_read_before_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    append(path, f"{STEP}\n")
    tail = LogTail([path])
    tail.poll()
    path.rename(tmp_path / "elsewhere")
    append(tmp_path / "elsewhere", f"{USER_SIM}\n")
    append(path, f"{TOOL_CALL}\n")
    assert types(tail.poll()) == ["step_complete", "user_sim", "tool_call"]
    append(path, f"{EXPERT_CALL}\n")
    assert types(tail.poll()) == ["step_complete", "user_sim", "tool_call", "expert_call"]
    assert said(tail) == [("fullrun.log", "rotated")]


def test_rotations_in_a_directory_keep_their_records_under_the_new_name(tmp_path: Path) -> None:
    path = tmp_path / "tau2_retail.log"
    tail = LogTail(tmp_path)
    for number in range(3):
        append(path, f"{STEP.replace('step=5', f'step={number}')}\n")
        tail.poll()
        for age in range(number, 0, -1):
            (tmp_path / f"tau2_retail.log.{age}").rename(tmp_path / f"tau2_retail.log.{age + 1}")
        path.rename(tmp_path / "tau2_retail.log.1")
    append(path, f"{STEP.replace('step=5', 'step=3')}\n")
    logs = tail.poll()
    assert logs is not None
    assert sorted(logs.events["step"]) == [0, 1, 2, 3]
    assert ("tau2_retail.log", "rotated") in said(tail)


def test_every_incident_is_reported_in_words(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    append(path, f"{STEP}\n{STEP}\n")
    tail = LogTail([path])
    tail.poll()
    path.write_text(f"{USER_SIM}\n")
    tail.poll()
    path.write_text(f"{EXPERT_CALL}\n{USER_SIM}\n")
    tail.poll()
    append(tmp_path / "new", f"{TOOL_CALL}\n")
    (tmp_path / "new").replace(path)
    tail.poll()
    path.unlink()
    tail.poll()
    tail.poll()
    assert [what for _, what in said(tail)] == ["shortened", "rewritten", "replaced", "vanished"]
    assert all(str(incident).startswith(f"{path}: ") for incident in tail.incidents)
    append(path, f"{STEP}\n")
    assert types(tail.poll()) == ["step_complete"]


class StaleOnce:
    """A file on a server that lost it: the first look fails as NFS says it."""

    def __init__(self) -> None:
        self.stale = True

    def __call__(self, descriptor: int) -> os.stat_result:
        if self.stale:
            self.stale = False
            raise OSError(errno.ESTALE, "Stale file handle")
        return FSTAT(descriptor)


FSTAT = os.fstat


def test_a_stale_handle_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fullrun.log"
    append(path, f"{STEP}\n")
    tail = LogTail([path])
    tail.poll()
    append(path, f"{USER_SIM}\n")
    monkeypatch.setattr(os, "fstat", StaleOnce())
    assert types(tail.poll()) == ["step_complete", "user_sim"]
    assert said(tail) == [("fullrun.log", "stale")]


def test_what_a_poll_has_given_stays_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    tail, given = LogTail([path]), []
    for number in range(1, 30):
        append(path, f"{STEP}\nTask failed\n")
        logs = tail.poll()
        assert logs is not None
        given.append((number, logs))
    random.Random(1).shuffle(given)
    for number, logs in given:
        assert (logs.events.height, logs.errors.height) == (number, number)


def test_looking_often_leaves_few_parts(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    tail = LogTail([path])
    for number in range(1, 300):
        append(path, f"{STEP}\n")
        logs = tail.poll()
        assert logs is not None
        assert logs.events.height == number
    assert len(tail._logs[path].parts()) < 12


@pytest.mark.parametrize("lines", [300, 3000], ids=["not read", "not joined"])
def test_many_lines_that_nobody_asks_for_do_not_stay_pending(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "fullrun.log"
    append(path, f"{STEP}\n")
    tail = LogTail([path])
    tail.poll()
    looks, most, seen = 60_000 // lines, 0, set[type[object]]()
    for _ in range(looks):
        append(path, f"{STEP}\n" * lines)
        logs = tail.poll()
        pending = [part for part in tail._logs[path].parts() if isinstance(part, Pending)]
        seen.update(map(type, pending))
        most = max(most, sum(part.length for part in pending))
    assert seen == {Unparsed if lines == 300 else Unjoined}
    assert STRETCH / 2 < most <= STRETCH
    assert logs is not None
    assert logs.events.height == 60_001


def test_lines_of_all_sizes_say_what_reading_them_at_once_says(tmp_path: Path) -> None:
    """Some are kept as they are, some are read and not joined, and some are looked at in between."""
    logs = LogMaker(17).write(tmp_path, 4000)
    text = logs[0].read_bytes()
    path = tmp_path / "growing" / logs[0].name
    path.parent.mkdir()
    tail, chance, at = LogTail([path]), random.Random(2), 0
    while at < len(text):
        end = at + chance.choice([10, 2000, 30_000, 70_000, 150_000])
        with path.open("ab") as file:
            file.write(text[at:end])
        at, seen = end, tail.poll()
        if seen is not None and chance.random() < 0.3:
            assert seen.events.height
    with path.open("ab") as file:
        file.write(b"\n")
    seen, whole = tail.poll(), read_logs([path])
    assert seen is not None
    same(seen, whole)
