"""The run directory from outside: find runs, read the state of one, ask its agents, copy its logs."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from tau2tui.config import Config, parse_submitted
from tau2tui.core import layout, wire
from tau2tui.core.model import DirtyNode, RunState
from tau2tui.errors import CommandFailed, ConfigError, GaveUp, NothingToRead
from tau2tui.remote.logcopies import SAMPLES, LogCopies
from tau2tui.remote.shell import Shell

T = TypeVar("T")
LATEST = "latest"
"""A file beside the runs that names the newest one."""
ANSWER_POLL_S = 0.3


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """One run, through the shell of the machine where it lies."""

    shell: Shell
    path: PurePosixPath
    python: str

    @property
    def run_id(self) -> str:
        return self.path.name

    async def exists(self) -> bool:
        """Whether a launch has begun to write it."""
        return layout.RUN_CONFIG in await self.shell.names(str(self.path))

    async def config(self) -> Config:
        """The configuration as it was submitted. Raises ConfigError."""
        where = str(self.path / layout.RUN_CONFIG)
        try:
            raw = await self.shell.read(where)
        except FileNotFoundError:
            raise ConfigError(
                f"{where}: no such file", "the run is not there any more, or was never launched"
            ) from None
        return parse_submitted(raw, where)

    async def state(self) -> RunState:
        """All replicas and the evaluation, by one remote command."""
        argv = (self.python, str(self.path / layout.NODE_AGENT), "state", str(self.path))
        completed = (await self.shell.run(argv)).check()
        try:
            # In a thread: a large fleet takes tens of milliseconds, and a screen waits on the event loop.
            return await asyncio.to_thread(lambda: parse_state(json.loads(completed.answer)))
        except (ValueError, RecursionError) as error:
            raise CommandFailed(f"the state of {self.path} is not readable: {error}") from None

    async def ask(
        self,
        target: str,
        verb: str,
        value: float | str | None,
        by: str,
        timeout_s: float,
        *,
        attempt: int | None = None,
    ) -> str:
        """Drop a request and wait for the answer beside it; returns what it says. `attempt`: the one that is meant.

        An agent that only just started does not know whether a request was meant for it or for one before it; it asks
        to be asked again. Raises CommandFailed if the answer is no, GaveUp if there is none in time.
        """
        deadline = time.monotonic() + timeout_s
        asked = {"target": target, "verb": verb, "value": value, "by": by}
        asked |= {} if attempt is None else {"attempt": attempt}
        answer = await self._drop(asked)
        while time.monotonic() < deadline:
            try:
                result = json.loads(await self.shell.read(answer))
            except FileNotFoundError:
                await asyncio.sleep(ANSWER_POLL_S)
                continue
            message = str(result.get("message", ""))
            if result.get("ok"):
                return message
            if not result.get("again"):
                raise CommandFailed(f"{verb} {target}: {message}")
            answer = await self._drop(asked)
        raise GaveUp(f"{verb} {target}: no answer within {timeout_s:.0f} s", "is its job still running? tau2tui status")

    async def _drop(self, asked: Mapping[str, Any]) -> str:
        """Write one request; returns where its answer will be.

        No clock tells nanoseconds: by chance in their place two operators never write the same file.
        """
        number = time.time_ns() // 1000 * 1000 + secrets.randbelow(1000)
        file = layout.eval_request_file if asked["target"] == "eval" else layout.request_file
        name = file(number, str(asked["verb"]))
        request = {"schema": 1, **asked, "at": time.time()}
        await self.shell.write(str(self.path / name), json.dumps(request).encode())
        return str(self.path / layout.result_of(name))

    async def copy_logs(self, logs: str, target: Path) -> tuple[str, ...]:
        """Bring a local copy of the evaluation's logs up to date: of a file that grew, only the new bytes travel.

        Returns what happened besides, in words. Raises Unreachable.
        """
        return await LogCopies(self.shell, str(self.path / logs), target).update()

    async def copy_samples(self, target: Path, replicas: Collection[str] | None = None) -> None:
        """The same with the samples of these replicas, or of all. Raises Unreachable."""

        def wanted(name: str) -> bool:
            return replicas is None or name.partition(".jsonl")[0] in replicas

        await LogCopies(self.shell, str(self.path / layout.METRICS), target, SAMPLES).update(wanted)


async def run_ids(shell: Shell, parent: str) -> tuple[str, ...]:
    """The ids of all runs, by name. Raises Unreachable."""
    return tuple(name for name in await shell.names(parent) if name != LATEST and not name.startswith("."))


async def dirty_nodes(shell: Shell, parent: PurePosixPath) -> tuple[DirtyNode, ...]:
    """The nodes that are remembered as dirty; a record that cannot be read counts as one. Raises Unreachable."""
    found = []
    for name in await shell.names(str(parent / layout.DIRTY_NODES)):
        if name.startswith("."):
            continue
        try:
            found.append(wire.dirty_node_from(json.loads(await shell.read(str(parent / layout.DIRTY_NODES / name)))))
        except FileNotFoundError:
            continue  # found clean in this very moment
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            found.append(DirtyNode(PurePosixPath(name).stem, 0.0, f"its record is not readable: {error!r}"))
    return tuple(found)


async def find_run(shell: Shell, parent: str, run_id: str | None) -> str | None:
    """The id of the run that is meant: the one named, or the newest; None if there is none yet.

    Raises NothingToRead for a name that no run has, Unreachable.
    """
    ids = await run_ids(shell, parent)
    if run_id is not None:
        if run_id not in ids:
            raise NothingToRead(f"no run {run_id!r} in {parent}", f"known: {', '.join(ids) or 'none yet'}")
        return run_id
    try:
        newest = (await shell.read(f"{parent}/{LATEST}")).decode(errors="replace").strip()
    except FileNotFoundError:
        newest = ""
    return newest if newest in ids else next(reversed(ids), None)


def parse_state(data: Mapping[str, Any]) -> RunState:
    """The answer of `node_agent.py state`; a file of a wrong shape is named among the unreadable ones.

    Raises ValueError if it is no such answer.
    """
    try:
        clock = float(data["clock"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"it does not say what time it is there: {error!r}") from None
    unreadable: list[str] = []

    def entries(key: str) -> list[Any]:
        found = data.get(key) or []
        if not isinstance(found, list):
            unreadable.append(f"the {key.replace('_', ' ')} are no list")
            return []
        return found

    def each(key: str, read: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...]:
        found = []
        for entry in entries(key):
            try:
                found.append(read(entry))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                unreadable.append(f"one of the {key.replace('_', ' ')}: {error!r}")
        return tuple(found)

    unreadable += [str(line) for line in entries("unreadable")]
    evaluation = None
    if data.get("evaluation") is not None:
        try:
            evaluation = wire.progress_from(data["evaluation"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            unreadable.append(f"{layout.EVAL_STATE}: {error!r}")
    return RunState(
        replicas=each("replicas", wire.replica_from),
        successors=each("successors", wire.replica_from),
        predecessors=each("predecessors", wire.replica_from),
        dirty_nodes=each("dirty_nodes", wire.dirty_node_from),
        evaluation=evaluation,
        clock=clock,
        unreadable=tuple(unreadable),
    )
