"""Lines that matter, found in files of any bytes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.analysis.errors.lines import STRETCH, LineSearch, stamp

HEAD = b"Traceback (most recent call last):\n"


moment = datetime.fromisoformat


def found(
    path: Path, data: bytes, *patterns: str, stretch: int = STRETCH
) -> list[tuple[int, str, datetime | None, str]]:
    file = path / "x.log"
    file.write_bytes(data)
    return [
        (line.number, line.text, line.at, line.traceback.name if line.traceback else "")
        for line in LineSearch(patterns or ("failed",), stretch).lines(file)
    ]


def test_a_line_is_found_with_its_number_and_the_time_before_it(tmp_path: Path) -> None:
    data = b"\n[2025-12-30 17:32:15] x\n\n\nit \x1b[31mfai\x1b[0mled\n[INFO] 2025-12-30 17:33:00.250 it failed"
    assert found(tmp_path, data) == [
        (4, "it failed", moment("2025-12-30 17:32:15"), ""),
        (5, "[INFO] 2025-12-30 17:33:00.250 it failed", moment("2025-12-30 17:33:00.250"), ""),
    ]


def test_a_traceback_has_the_time_before_its_head(tmp_path: Path) -> None:
    data = (
        b"[2025-12-30 17:32:15] x\n"
        + HEAD
        + b'  File "a.py", line 1, in failed\nKeyError: 1\n[2025-12-30 18:00:00] y\n'
    )
    assert found(tmp_path, data) == [(1, "", moment("2025-12-30 17:32:15"), "KeyError")]


def test_a_line_behind_a_traceback_comes_after_it(tmp_path: Path) -> None:
    data = HEAD + b'  File "a.py", line 1, in f\nKeyError: failed\n\nit failed\n' + HEAD + b"ValueError: x"
    assert [(number, name) for number, _, _, name in found(tmp_path, data)] == [
        (0, "KeyError"),
        (4, ""),
        (5, "ValueError"),
    ]


def test_patterns_may_look_around(tmp_path: Path) -> None:
    assert [line[0] for line in found(tmp_path, b"it failed\nall failed\n", "(?<=all )failed")] == [1]


def test_lines_are_the_same_wherever_the_file_is_cut_for_reading(tmp_path: Path) -> None:
    data = b"".join(b"[2025-12-30 17:32:%02d] it failed\n\nx\n" % second for second in range(60))
    data += HEAD + b'  File "a.py", line 1, in f\n' * 30 + b"KeyError: 1\nlast failed"
    whole = found(tmp_path, data)
    for size in (40, 64, 1000):
        assert found(tmp_path, data, stretch=size) == whole
    assert len(whole) == 62


def test_a_line_of_megabytes_is_looked_at_in_part(tmp_path: Path) -> None:
    (line,) = found(tmp_path, b"it failed " + b"a/b#1 x: " * 500_000 + b"\nx\n")
    assert len(line[1]) == 1 << 16


def test_it_is_known_who_wrote_a_file(tmp_path: Path) -> None:
    search = LineSearch(("x",))
    for data, from_evaluation in ((b"a [PROFILE] b\n", True), (b"INFO: x\n", False), (b"", False)):
        (tmp_path / "x.log").write_bytes(data)
        list(search.lines(tmp_path / "x.log"))
        assert search.from_evaluation is from_evaluation


def test_a_time_is_read_to_the_millisecond_or_not_at_all() -> None:
    assert stamp("[2025-12-30 17:32:15,250] x") == moment("2025-12-30 17:32:15.250")
    assert stamp("2025-12-30T17:32:15 x") == moment("2025-12-30 17:32:15")
    assert stamp("[2025-02-31 17:32:15] x") is None
    assert stamp("x" * 200 + "2025-12-30 17:32:15") is None


@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=12),
            st.sampled_from(
                [b"\n", b"\r\n", b"\x00", b"\x1e", b'"', b"it failed\n", HEAD, b"\x1b[31m", b"KeyError: 1\n"]
            ),
        ),
        max_size=40,
    )
)
def test_any_bytes_are_survived_and_every_line_is_found(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    data = b"\n".join(pieces)
    numbers = [line[0] for line in found(tmp_path_factory.getbasetemp(), data) if not line[3]]
    assert set(numbers) <= {number for number, line in enumerate(data.split(b"\n")) if b"failed" in line}
    if HEAD.strip() not in data and b"\x1b" not in data:
        assert len(numbers) == sum(b"failed" in line for line in data.split(b"\n"))
