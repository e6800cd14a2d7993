"""The run directory from outside: finding runs, reading states, asking, copying logs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path, PurePosixPath
from typing import Any, cast

import pytest

from tau2tui.errors import CommandFailed, GaveUp, NothingToRead
from tau2tui.remote.logfiles import RunLogs
from tau2tui.remote.rundir import RunDirectory, find_run, parse_state
from tau2tui.remote.shell import LocalShell, Shell


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    for name in ("control", "eval/control", "logs"):
        (tmp_path / "one" / name).mkdir(parents=True)
    return RunDirectory(LocalShell(), PurePosixPath(str(tmp_path / "one")), "python3")


async def answer(run: RunDirectory, *answers: dict[str, object]) -> list[dict[str, object]]:
    """Play the agent: answer one request after the other; returns the requests."""
    control = Path(str(run.path)) / "control"
    seen: list[dict[str, object]] = []
    names: set[str] = set()
    async with asyncio.timeout(30):
        while len(seen) < len(answers):
            await asyncio.sleep(0.01)
            fresh = {path.name for path in control.iterdir() if not path.name.startswith(".")} - names
            for name in sorted(name for name in fresh if not name.endswith(".result.json")):
                names.add(name)
                (control / name).with_suffix(".result.json").write_text(json.dumps(answers[len(seen)]))
                seen.append(json.loads((control / name).read_text()))
    return seen


async def test_a_request_is_a_file_and_so_is_its_answer(run: RunDirectory) -> None:
    said, seen = await asyncio.gather(
        run.ask("expert-1-0", "restart", None, "me", 30), answer(run, {"ok": True, "message": "started"})
    )
    assert said == "started"
    assert (seen[0]["target"], seen[0]["verb"], seen[0]["by"]) == ("expert-1-0", "restart", "me")


async def test_an_agent_that_only_just_started_is_asked_again(run: RunDirectory) -> None:
    said, seen = await asyncio.gather(
        run.ask("job1", "stop", None, "me", 30),
        answer(run, {"ok": False, "again": True, "message": "older"}, {"ok": True, "message": "stopped"}),
    )
    assert said == "stopped" and len(seen) == 2


async def test_a_no_is_an_error_with_its_reason(run: RunDirectory) -> None:
    with pytest.raises(CommandFailed, match="unknown verb"):
        await asyncio.gather(
            run.ask("job1", "dance", None, "me", 30), answer(run, {"ok": False, "message": "unknown verb"})
        )


async def test_silence_is_not_taken_for_an_answer(run: RunDirectory) -> None:
    with pytest.raises(GaveUp, match="no answer"):
        await run.ask("job1", "stop", None, "me", 0.5)


async def test_the_newest_run_is_the_one_that_was_launched_last(tmp_path: Path) -> None:
    shell = LocalShell()
    assert await find_run(shell, str(tmp_path / "none"), None) is None
    for name in ("b", "a", ".jobs"):
        (tmp_path / name).mkdir()
    assert await find_run(shell, str(tmp_path), None) == "b"
    (tmp_path / "latest").write_text("a\n")
    assert await find_run(shell, str(tmp_path), None) == "a"
    assert await find_run(shell, str(tmp_path), "b") == "b"
    with pytest.raises(NothingToRead, match="known: a, b"):
        await find_run(shell, str(tmp_path), "../etc")


def test_one_broken_file_hides_nothing_else() -> None:
    good = {"name": "a-0", "phase": "ready", "port": 1}
    state = parse_state({"clock": 5.0, "replicas": [good, {"phase": "?"}], "evaluation": {"state": "running"}})
    assert [replica.name for replica in state.replicas] == ["a-0"]
    assert len(state.unreadable) == 2 and state.evaluation is None


async def test_of_a_log_that_grew_only_the_new_bytes_are_copied(run: RunDirectory, tmp_path: Path) -> None:
    source, copy = Path(str(run.path)) / "logs", tmp_path / "copy"
    (source / "fullrun.log").write_bytes(b"one\n")
    (source / "agent-0.1.log").write_bytes(b"a server's own\n")
    await run.copy_logs("logs", copy)
    (copy / "fullrun.log").write_bytes(b"ONE\n")
    with (source / "fullrun.log").open("ab") as file:
        file.write(b"two\n")
    await run.copy_logs("logs", copy)
    assert (copy / "fullrun.log").read_bytes() == b"ONE\ntwo\n"
    assert [path.name for path in copy.iterdir() if not path.name.startswith(".")] == ["fullrun.log"]


async def test_copies_of_the_logs_of_a_run_are_for_their_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    (tmp_path / "runs" / "one" / "logs").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "logs" / "fullrun.log").write_text("x\n")
    run = RunDirectory(cast(Shell, Elsewhere()), PurePosixPath(str(tmp_path / "runs" / "one")), "python3")
    copy = await RunLogs(run, "logs").local()
    assert (copy / "fullrun.log").read_text() == "x\n"
    assert copy.parent.name == "one" and copy.parent.stat().st_mode & 0o777 == 0o700


class Elsewhere:
    """This machine, as if it were another one: what is not a local shell is copied from."""

    name = "login"

    def __getattr__(self, name: str) -> Any:
        return getattr(LocalShell(), name)


async def test_of_the_samples_only_those_that_are_wanted_are_copied_and_then_only_what_is_new(
    run: RunDirectory, tmp_path: Path
) -> None:
    source, copy = Path(str(run.path)) / "metrics", tmp_path / "copy"
    source.mkdir(exist_ok=True)
    for name in ("e-0.jsonl", "e-0.jsonl.1", "e-1.jsonl", "notes.txt"):
        (source / name).write_bytes(b"one\n")
    await run.copy_samples(copy, ("e-0",))
    assert sorted(path.name for path in copy.iterdir() if path.name[0] != ".") == ["e-0.jsonl", "e-0.jsonl.1"]
    (copy / "e-0.jsonl").write_bytes(b"ONE\n")
    with (source / "e-0.jsonl").open("ab") as file:
        file.write(b"two\n")
    await run.copy_samples(copy)
    assert (copy / "e-0.jsonl").read_bytes() == b"ONE\ntwo\n" and (copy / "e-1.jsonl").read_bytes() == b"one\n"
    assert not (copy / "notes.txt").exists()
