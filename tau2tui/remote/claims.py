"""The claim on a run, from the operator's side: taken before jobs are submitted, kept meanwhile, released after."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from tau2tui.errors import CommandFailed, Refused, Tau2TuiError
from tau2tui.remote.claim_program import LEASE_S
from tau2tui.remote.rundir import RunDirectory

KEEP_S = LEASE_S / 5
WAIT_S = LEASE_S + 30.0
"""How long another one's claim is waited for: a killed operator's is over before."""
POLL_S = 1.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Claim:
    """One that is ours until it is released, or until somebody takes the run over."""

    run: RunDirectory
    number: int
    before_s: float | None
    """How long before it somebody else last was at work; None: nobody ever was."""

    async def check(self) -> None:
        """Keep it. Raises Refused if it does not count any more: whoever took over must not be interfered with."""
        answer = await _ask(self.run, "keep", str(self.number))
        if not answer.mine:
            raise Refused(
                f"{answer.holder or 'another operator'} has taken over the jobs of run {self.run.run_id}",
                "see `tau2tui status`, and ask again for what is still wanted",
            )


@dataclass(frozen=True, slots=True)
class _Answer:
    number: int
    mine: bool
    holder: str
    age_s: float
    before_s: float | None
    machine: str
    pid: int
    started: str


@asynccontextmanager
async def claimed(run: RunDirectory, what: str, tell: Tell, *, at_once: bool = False) -> AsyncIterator[Claim]:
    """Hold the claim on a run, waiting while another operator holds it; `at_once` takes it away from who does.

    Raises Refused if it is held for too long, CommandFailed, Unreachable.
    """
    claim = await _take(run, what, tell, at_once=at_once)
    keeping = asyncio.create_task(_keep(claim))
    try:
        yield claim
    finally:
        keeping.cancel()
        with suppress(Tau2TuiError):  # it ends by itself
            await _run(run, "release", str(claim.number))


async def _take(run: RunDirectory, what: str, tell: Tell, *, at_once: bool) -> Claim:
    over = 0
    told = ""
    deadline = time.monotonic() + WAIT_S
    while True:
        answer = await _ask(run, "take", _holder(what), *((str(over),) if over else ()))
        if answer.mine:
            return Claim(run, answer.number, answer.before_s)
        if at_once or _is_dead(answer):
            over = answer.number
            continue
        if time.monotonic() > deadline:
            raise Refused(f"{answer.holder} submits jobs of run {run.run_id} still", "wait for that to end")
        if answer.holder != told:
            told = answer.holder
            tell(f"{told} is at work on the jobs of this run; waiting for that")
        await asyncio.sleep(POLL_S)


async def _keep(claim: Claim) -> None:
    while True:
        await asyncio.sleep(KEEP_S)
        with suppress(Tau2TuiError):  # the check before the next submission says what it means
            await claim.check()


def _holder(what: str) -> str:
    """Who we are, for others to read; and for those on this machine, whether we still live."""
    machine, pid, started = _process(os.getpid())
    by = f"{getpass.getuser()} on {socket.gethostname()} ({what})"
    return json.dumps({"by": by, "machine": machine, "pid": pid, "started": started})


def _process(pid: int) -> tuple[str, int, str]:
    """A process by machine (its boot, and namespace of pids), pid and start; empty words where /proc does not say."""
    try:
        machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip() + str(
            Path("/proc/self/ns/pid").readlink()
        )
        return machine, pid, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "", pid, ""


def _is_dead(answer: _Answer) -> bool:
    """Whether the holder is a process of this very machine that has ended; elsewhere only its silence tells."""
    machine, _, _ = _process(os.getpid())
    return bool(machine) and answer.machine == machine and _process(answer.pid)[2] != answer.started


async def _ask(run: RunDirectory, word: str, *words: str) -> _Answer:
    said = await _run(run, word, *words)
    try:
        answer = json.loads(said)
        held = {"by": "", "machine": "", "pid": 0, "started": "", **json.loads(answer["holder"] or "{}")}
        return _Answer(
            number=int(answer["number"]),
            mine=answer["mine"] is True,
            holder=str(held["by"]),
            age_s=float(answer["age_s"]),
            before_s=None if answer["before_s"] is None else float(answer["before_s"]),
            machine=str(held["machine"]),
            pid=int(held["pid"]),
            started=str(held["started"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(f"the claims on run {run.run_id} are not readable: {error!r}") from None


async def _run(run: RunDirectory, word: str, *words: str) -> str:
    program = resources.files("tau2tui.remote").joinpath("claim_program.py").read_bytes()
    return (await run.shell.run((run.python, "-", word, str(run.path), *words), 60.0, program)).check().answer
