"""Copies reach tmux's buffer, and say where they went; a file has them always."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tau2tui.tui.clipboard import OSC52_LIMIT, copy


async def test_in_a_real_tmux_with_default_options_the_buffer_holds_what_was_copied(tmp_path: Path) -> None:
    tmux = shutil.which("tmux")
    assert tmux, "tmux is one of the packages that scripts/test installs"
    call = (tmux, "-u", "-S", str(tmp_path / "socket"))
    subprocess.run((*call, "-f", "/dev/null", "new-session", "-d", "sleep 60"), check=True)
    try:
        sent: list[str] = []
        environ = {"TMUX": f"{tmp_path / 'socket'},1,0"}
        said = await copy("expert-1-2\n●", sent.append, environ, tmp_path / "cache" / "clip.txt")
        shown = subprocess.run((*call, "show-buffer"), check=True, capture_output=True).stdout
        assert shown.decode() == "expert-1-2\n●"
        assert "sent to tmux's buffer" in said and sent == []
        assert (tmp_path / "cache" / "clip.txt").read_text() == "expert-1-2\n●"
    finally:
        subprocess.run((*call, "kill-server"), check=True)


async def test_a_tmux_that_is_gone_is_said_and_the_file_is_written(tmp_path: Path) -> None:
    said = await copy("words", print, {"TMUX": str(tmp_path / "gone")}, tmp_path / "clip.txt")
    assert "tmux did not take it" in said
    assert (tmp_path / "clip.txt").read_text() == "words"


async def test_what_is_too_long_for_a_terminal_goes_to_the_file_alone(tmp_path: Path) -> None:
    sent: list[str] = []
    said = await copy("x" * (OSC52_LIMIT + 1), sent.append, {}, tmp_path / "clip.txt")
    assert "too long" in said and sent == []
    assert (tmp_path / "clip.txt").stat().st_size == OSC52_LIMIT + 1


async def test_somebody_elses_link_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("theirs")
    (tmp_path / "clip.txt").symlink_to(other)
    await copy("ours", print, {}, tmp_path / "clip.txt")
    assert other.read_text() == "theirs"
    assert (tmp_path / "clip.txt").read_text() == "ours"


async def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "not kept in" in await copy("words", print, {}, tmp_path / "file" / "clip.txt")


async def test_a_name_whose_bytes_are_no_utf_8_is_copied_as_far_as_it_is_text(tmp_path: Path) -> None:
    sent: list[str] = []
    await copy("log-\udce9.txt", sent.append, {}, tmp_path / "clip.txt")
    assert sent == ["log-?.txt"] and (tmp_path / "clip.txt").read_text() == "log-?.txt"
