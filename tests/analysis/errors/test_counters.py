"""Counted as grep counts, by grep itself."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.analysis.errors.counters import COUNTED, count_lines, matching_lines
from tau2tui.errors import NothingToRead
from tests.analysis.made_logs import LogMaker


def grep(text: str | bytes, files: list[Path]) -> dict[Path, int]:
    """What `grep -ac TEXT FILE…` says, by file."""
    argv = ["grep", "-acH", "-e", text, "--", *map(str, files)]
    said = subprocess.run(argv, stdout=subprocess.PIPE, check=False, env={"LC_ALL": "C.UTF-8"}).stdout.decode()
    return {Path(line.rpartition(":")[0]): int(line.rpartition(":")[2]) for line in said.splitlines()}


def test_made_logs_are_counted_as_grep_does_file_by_file(tmp_path: Path) -> None:
    files = LogMaker(3).write(tmp_path, 800)
    for counter in count_lines(files):
        expected = grep(counter.text, files)
        assert dict(counter.files) == expected
        assert counter.total == sum(expected.values())
        assert counter.of("fullrun.log") == expected[tmp_path / "fullrun.log"]
    assert {counter.name: counter.total > 0 for counter in count_lines(files)} == {
        **dict.fromkeys(("harmony", "task_failed", "completed", "eta"), True),
        **dict.fromkeys(("retry", "permanent"), False),
    }


def test_nul_invalid_bytes_colours_carriage_returns_and_a_torn_end_count_as_for_grep(tmp_path: Path) -> None:
    file = tmp_path / "fullrun.log"
    file.write_bytes(
        b"\xff\xfe Retrying in 5 seconds\n\x00\x00Retrying in 5 seconds\x00\r\n"
        b"\x1b[31mRetrying in\x1b[0m 5 seconds\n"
        b"Retrying in 5 seconds Retrying in 5 seconds\n\n\nRetrying in 5\nseconds\nRetrying in 5 seconds"
    )
    counter = next(one for one in count_lines([file]) if one.name == "retry")
    assert counter.total == 4 == grep(counter.text, [file])[file]


def test_an_empty_file_and_no_file_have_no_lines(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    assert [one.total for one in count_lines([tmp_path / "a.log"])] == [0] * len(COUNTED)
    assert [one.total for one in count_lines([])] == [0] * len(COUNTED)
    assert count_lines([])[0].of("fullrun.log") is None


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(NothingToRead, match="gone"):
        count_lines([tmp_path / "gone"])


PIECES = st.sampled_from([b"abc", b"bcd", b"ab", b"c", b"\n", b"\r\n", b"\x00", b"\xff", b"d", b" "])


@given(pieces=st.lists(PIECES, max_size=60), cuts=st.lists(st.integers(0, 150), max_size=12))
def test_wherever_the_blocks_end_the_lines_are_the_same(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    ends = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    blocks = [data[begin:end] for begin, end in itertools.pairwise(ends)]
    texts = (b"abc", b"c", b"bcd")
    expected = tuple(sum(text in line for line in data.split(b"\n")) for text in texts)
    assert matching_lines(blocks, texts) == expected


@given(pieces=st.lists(PIECES, max_size=40))
def test_any_bytes_are_counted_as_grep_does(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    file = tmp_path_factory.getbasetemp() / "any.log"
    file.write_bytes(b"".join(pieces))
    assert count_lines([file], {"abc": "abc"})[0].total == grep("abc", [file])[file]
