from __future__ import annotations

import gzip
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tau2tui.analysis import stretches
from tau2tui.analysis.outcomes import logged_outcomes
from tau2tui.analysis.scan import find_logs, read_logs
from tau2tui.analysis.stretches import lines_with
from tests.analysis.made_logs import LogMaker
from tests.analysis.test_scan import EXPERT_CALL, STEP, TOOL_CALL, USER_SIM

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "zst": zstd.compress}
ENDINGS = pytest.mark.parametrize("ending", PACKERS)


@ENDINGS
def test_a_compressed_log_says_what_the_plain_one_says(tmp_path: Path, ending: str) -> None:
    plain = LogMaker(3).write(tmp_path, 800)
    packed = []
    for path in plain:
        packed.append(tmp_path / "packed" / f"{path.name}.{ending}")
        packed[-1].parent.mkdir(exist_ok=True)
        packed[-1].write_bytes(PACKERS[ending](path.read_bytes()))
    there, here = read_logs(packed), read_logs(plain)
    assert_frame_equal(there.events, here.events)
    assert_frame_equal(there.tasks, here.tasks)
    assert_frame_equal(there.errors, here.errors)
    assert there.skipped == here.skipped


@ENDINGS
def test_members_one_behind_the_other_are_one_log(tmp_path: Path, ending: str) -> None:
    text = f"{STEP}\n{USER_SIM}\n{TOOL_CALL}\n".encode()
    path = tmp_path / f"fullrun.log.{ending}"
    path.write_bytes(PACKERS[ending](text[:50]) + PACKERS[ending](b"") + PACKERS[ending](text[50:]))
    logs = read_logs([path])
    assert logs.events["type"].to_list() == ["step_complete", "user_sim", "tool_call"]
    assert logs.skipped.total == 0


@ENDINGS
def test_of_an_archive_that_was_cut_off_everything_before_is_read(tmp_path: Path, ending: str) -> None:
    text = "".join(f"{USER_SIM.replace('890.12', f'{number}.00')}\n" for number in range(20_000)).encode()
    packed = PACKERS[ending](text)
    path = tmp_path / f"fullrun.log.{ending}"
    path.write_bytes(packed[: len(packed) * 3 // 4])
    logs = read_logs([path])
    read = logs.events["duration_ms"].to_list()
    assert 1000 < len(read) < 20_000
    assert read == [float(number) for number in range(len(read))]
    assert (logs.skipped.archives, logs.skipped.profile_lines) == (1, 0)
    assert any("fullrun.log" in example and "cut off" in example for example in logs.skipped.examples)


@ENDINGS
def test_a_damaged_archive_is_counted_and_never_raises(tmp_path: Path, ending: str) -> None:
    packed = bytearray(PACKERS[ending](f"{EXPERT_CALL}\n{STEP}\n".encode() * 500))
    for place in range(4, len(packed), 3):
        damaged = packed.copy()
        damaged[place] ^= 0x55
        path = tmp_path / f"fullrun.log.{ending}"
        path.write_bytes(damaged)
        logs = read_logs([path])
        assert logs.events.height <= 1001
        assert logs.skipped.archives <= 1
    path.write_bytes(bytes(packed) + b"something else")
    logs = read_logs([path])
    assert logs.events.height == 1000
    assert logs.skipped.archives == 1


@ENDINGS
@pytest.mark.slow
def test_a_bomb_needs_no_more_memory_than_a_stretch(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "STRETCH", 1 << 20)
    path = tmp_path / f"fullrun.log.{ending}"
    path.write_bytes(PACKERS[ending](b"\0" * (256 << 20)) + PACKERS[ending](f"\n{STEP}\n".encode()))
    tracemalloc.start()
    logs = read_logs([path])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert logs.events.height == 1
    assert peak < 64 << 20


def test_a_plain_log_is_read_whatever_its_name_ends_in_and_an_empty_archive_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.log.gz").write_text(f"{STEP}\n")
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "c.log.zst").touch()
    logs = read_logs(find_logs([tmp_path]))
    assert (logs.events.height, logs.skipped.total) == (1, 0)


def test_an_archive_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    from tau2tui.analysis.tail import LogTail

    path = tmp_path / "fullrun.log.gz"
    path.write_bytes(gzip.compress(f"{STEP}\n".encode()))
    tail = LogTail([path])
    logs = tail.poll()
    assert logs is not None
    assert logs.events.height == 1
    path.write_bytes(gzip.compress(f"{STEP}\n{USER_SIM}\n".encode()))
    logs = tail.poll()
    assert logs is not None
    assert logs.events.height == 2
    assert tail.poll() is None


def test_compressed_rotations_are_found_and_their_domain_known(tmp_path: Path) -> None:
    names = ("tau2_retail.log.2.zst", "tau2_retail.log.1.gz", "tau2_retail.log", "tau2_retail.json.gz", "x.out.gz")
    for name in names:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / names[0]).write_bytes(zstd.compress(f"{STEP}\n".encode()))
    found = find_logs([tmp_path])
    assert [path.name for path in found] == [*names[:3], names[4]]
    assert read_logs(found).events["domain"].to_list() == ["retail"]


@ENDINGS
def test_rewards_stand_in_compressed_logs_too(tmp_path: Path, ending: str) -> None:
    said = "FINISHED SIMULATION: Domain: retail, Task: 5, Agent: a, User: b. Reward: 1.0\n"
    marker = "[TAU2_TASK_COMPLETE] domain=retail trial=2 task_id=5 status=ok completed_domain=1 total_domain=114\n"
    plain, packed = tmp_path / "fullrun.log", tmp_path / f"fullrun.log.1.{ending}"
    plain.write_text(f"noise\n{said}noise\n{marker}")
    packed.write_bytes(PACKERS[ending](plain.read_bytes()))
    found = logged_outcomes([packed])
    assert_frame_equal(found, logged_outcomes([plain]))


@given(st.lists(st.sampled_from([b"one", b"two", b"x", b"\n"]), max_size=30).map(b"".join))
def test_lines_that_hold_a_text_come_once_and_in_order(data: bytes) -> None:
    expected = [line for line in data.split(b"\n") if b"one" in line or b"two" in line]
    assert list(lines_with((b"two", b"one"), data)) == expected
