from __future__ import annotations

import random
from pathlib import Path

import pytest

from tau2tui.remote.logcopies import STATE, LogCopies
from tau2tui.remote.shell import READ_LIMIT, LocalShell


class Counting(LocalShell):
    """This machine, and how many bytes were read of it."""

    def __init__(self) -> None:
        self.bytes = 0

    async def read(self, path: str, offset: int = 0, limit: int = READ_LIMIT) -> bytes:
        content = await super().read(path, offset, limit)
        self.bytes += len(content)
        return content


class Copying:
    """A directory of logs and its copies."""

    def __init__(self, directory: Path) -> None:
        self.source, self.target, self.shell = directory / "there", directory / "here", Counting()
        self.source.mkdir()
        self.copies = LogCopies(self.shell, str(self.source), self.target)

    def write(self, name: str, content: bytes, mode: str = "wb") -> None:
        with (self.source / name).open(mode) as file:
            file.write(content)

    async def update(self) -> tuple[str, ...]:
        said = await self.copies.update()
        here = {path.name: path.read_bytes() for path in self.target.iterdir() if path.name != STATE}
        assert here == {path.name: path.read_bytes() for path in self.source.iterdir()}
        return said


@pytest.fixture
def copying(tmp_path: Path) -> Copying:
    return Copying(tmp_path)


async def test_only_new_bytes_and_a_short_piece_before_them_travel(copying: Copying) -> None:
    copying.write("fullrun.log", b"x" * 100_000)
    assert await copying.update() == ()
    copying.shell.bytes = 0
    assert await copying.update() == ()
    assert copying.shell.bytes == 0
    copying.write("fullrun.log", b"new\n", "ab")
    assert await copying.update() == ()
    assert 4 <= copying.shell.bytes <= 4 + 2 * 64


async def test_a_replaced_a_shortened_and_an_overwritten_log_are_copied_anew(copying: Copying) -> None:
    for name in ("tau2_a.log", "tau2_b.log", "tau2_c.log"):
        copying.write(name, b"old\n" * 100)
    await copying.update()
    copying.write("new", b"newer\n" * 100)
    (copying.source / "new").replace(copying.source / "tau2_a.log")
    copying.write("tau2_b.log", b"less\n")
    copying.write("tau2_c.log", b"new\n" * 200)
    assert await copying.update() == (
        "tau2_a.log: replaced; copied anew",
        "tau2_b.log: shorter than it was; copied anew",
        "tau2_c.log: overwritten; copied anew",
    )


async def test_rotated_logs_are_renamed_and_not_copied_again(copying: Copying) -> None:
    for number in range(3):
        copying.write("fullrun.log", f"{number}\n".encode() * 10_000)
        await copying.update()
        copying.shell.bytes = 0
        for age in range(number, 0, -1):
            (copying.source / f"fullrun.log.{age}").rename(copying.source / f"fullrun.log.{age + 1}")
        (copying.source / "fullrun.log").rename(copying.source / "fullrun.log.1")
        said = await copying.update()
        assert copying.shell.bytes == 0
        assert "fullrun.log: is fullrun.log.1 now" in said


async def test_a_copy_that_was_cut_or_lost_its_state_is_made_whole(copying: Copying) -> None:
    copying.write("fullrun.log", b"line\n" * 1000)
    await copying.update()
    (copying.target / "fullrun.log").write_bytes(b"line\n")
    copying.write("fullrun.log", b"more\n", "ab")
    assert await copying.update() == ("fullrun.log: its copy was not complete; copied anew",)
    with (copying.target / "fullrun.log").open("ab") as file:
        file.write(b"half of what came before the power w")
    copying.write("fullrun.log", b"more\n", "ab")
    assert await copying.update() == ()
    for broken in (b"", b"[]", b'{"fullrun.log": 1}'):
        (copying.target / STATE).write_bytes(broken)
        await copying.update()


async def test_compressed_rotations_come_too_and_other_files_do_not(copying: Copying) -> None:
    copying.write("tau2_retail.log.1.gz", b"\x1f\x8b one")
    copying.write("eval_retail.log.2.zst", b"two")
    copying.write("fullrun.log", b"")
    await copying.update()
    copying.write("tau2_retail.log.1.gz", b"\x1f\x8b one and more")
    assert await copying.update() == ("tau2_retail.log.1.gz: written anew; copied anew",)
    copying.write("agent-0.1.log", b"a server's own")
    await copying.copies.update()
    assert not (copying.target / "agent-0.1.log").exists()


async def test_whatever_happens_to_the_logs_the_copies_become_the_same(copying: Copying) -> None:
    chance = random.Random(4)
    for step in range(80):
        path = copying.source / chance.choice(("fullrun.log", "tau2_a.log", "tau2_b.log"))
        match chance.randrange(5):
            case 0 if path.exists():
                path.replace(path.with_name(f"{path.name}.1"))
            case 1 if path.exists():
                path.write_bytes(b"")
            case 2:
                path.write_bytes(f"{step}\n".encode() * chance.randrange(400))
            case _:
                copying.write(path.name, f"{step}\n".encode() * chance.randrange(1, 400), "ab")
        copies = {path.name for path in copying.target.iterdir()} if copying.target.exists() else set()
        for name in copies - {path.name for path in copying.source.iterdir()}:
            (copying.target / name).unlink()  # what is gone there stays here
        await copying.update()
