"""One machine without SLURM: the same interface, the same job scripts, run as processes that outlive us.

As a program (`python local.py --spool DIR WORD …`, standard library only) it is the scheduler's command line:

    submit --comment=C --chdir=DIR SCRIPT    start a job script in the background, print its id
    queue                                    one JSON object for each job, oldest first
    cancel ID…                               TERM to each job, KILL to its processes if it does not end
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tau2tui.core.model import Job
    from tau2tui.core.step import Submission
    from tau2tui.remote.shell import Shell

CANCEL_PATIENCE_S = 60.0
SPOOL = ".jobs"
"""Where it keeps its records, below the parent of the runs."""


class Local:
    """The scheduler of one machine, seen as SLURM is seen."""

    def __init__(self, spool: PurePosixPath) -> None:
        self._program = (sys.executable, str(Path(__file__).resolve()), "--spool", str(spool))

    def submit_argv(self, submission: Submission) -> tuple[str, ...]:
        """Start one job script; it prints the job id. There is one node, so none to exclude or to move to."""
        about = (f"--comment={submission.run_id}", f"--chdir={submission.run_dir}")
        return (*self._program, "submit", *about, submission.path)

    def cancel_argv(self, job_ids: tuple[str, ...]) -> tuple[str, ...]:
        """End exactly these jobs."""
        return (*self._program, "cancel", *job_ids)

    async def change(self, shell: Shell, argv: tuple[str, ...]) -> str:
        """Run a line of `submit_argv` or `cancel_argv` to its end; what it printed."""
        return (await shell.run(argv, CANCEL_PATIENCE_S + 30)).check().stdout

    async def jobs(self, shell: Shell, run_id: str, known: frozenset[str]) -> tuple[Job, ...]:
        """The jobs of one run, oldest first; none is ever forgotten here, so `known` adds nothing."""
        from tau2tui.core.model import Job, JobState

        completed = (await shell.run((*self._program, "queue"))).check()
        rows = (json.loads(line) for line in completed.stdout.splitlines())
        return tuple(
            Job(
                id=row["id"],
                name=row["name"],
                state=JobState.RUNNING if row["state"] == "RUNNING" else JobState.ENDED,
                raw_state=row["state"],
                nodes=row["node"],
                comment=row["comment"],
            )
            for row in rows
            if row["comment"] == run_id
        )

    async def live_jobs(self, shell: Shell) -> frozenset[str] | None:
        """Not needed: each process names the record of its job, and that says whether it lives."""
        return None


# --- the program -------------------------------------------------------------------------------------------------


def _started_ticks(pid: int) -> int | None:
    """When a live process started, in clock ticks since boot: with the pid it names one process for ever."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _records(spool: Path) -> list[dict[str, Any]]:
    found = []
    for path in spool.glob("*.json"):
        try:
            found.append(json.loads(path.read_text()))
        except (OSError, ValueError):
            continue  # being written at this moment, or of another program
    return sorted(found, key=lambda record: int(record["id"]))


def _state(spool: Path, record: dict[str, Any]) -> str:
    """RUNNING while the very process lives; else how its keeper said that it ended."""
    if _started_ticks(record["pid"]) == record["started_ticks"]:
        return "RUNNING"
    try:
        status = int((spool / f"{record['id']}.status").read_text())
    except (OSError, ValueError):
        return "NODE_FAIL"  # nobody was left to write the status: killed, or the machine restarted
    return "COMPLETED" if status == 0 else "FAILED"


def _directive(text: str, option: str) -> str:
    match = re.search(rf"^#SBATCH --{option}=(\S+)$", text, re.MULTILINE)
    return match[1] if match else ""


def submit(spool: Path, script: Path, chdir: Path, comment: str) -> str:
    """Start a keeper for the script in a session of its own; returns the job id, a number that only grows."""
    spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    job_id = 1
    while True:
        try:
            (spool / f"{job_id}.id").touch(exist_ok=False)
            break
        except FileExistsError:
            job_id += 1
    text = script.read_text()
    keeper = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "--spool", str(spool), "keep", str(job_id), str(script)],
        stdin=subprocess.DEVNULL,
        stdout=(chdir / _directive(text, "output")).open("wb"),
        stderr=(chdir / _directive(text, "error")).open("wb"),
        cwd=chdir,
        env={
            **os.environ,
            "TAU2TUI_JOB_ID": str(job_id),
            "TAU2TUI_JOB_RECORD": str((spool / f"{job_id}.json").absolute()),
        },
        start_new_session=True,
    )
    record = {
        "id": str(job_id),
        "name": _directive(text, "job-name"),
        "comment": comment,
        "pid": keeper.pid,
        "started_ticks": _started_ticks(keeper.pid),
        "node": os.uname().nodename,
        "submitted_at": time.time(),
    }
    temporary = spool / f"{job_id}.tmp"
    temporary.write_text(json.dumps(record))
    temporary.replace(spool / f"{job_id}.json")
    return str(job_id)


def keep(spool: Path, job_id: str, script: Path) -> int:
    """Run a job script, hand TERM on to it, and write down how it ended."""
    child = subprocess.Popen(["bash", str(script)], stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    status = child.wait()
    (spool / f"{job_id}.status").write_text(str(status))
    return status


def cancel(spool: Path, job_ids: list[str]) -> None:
    """TERM to each job that runs, wait for it, and KILL its whole session if it does not end."""
    jobs = [record for record in _records(spool) if record["id"] in job_ids and _state(spool, record) == "RUNNING"]
    for record in jobs:
        os.kill(record["pid"], signal.SIGTERM)
    deadline = time.monotonic() + CANCEL_PATIENCE_S
    while any(_state(spool, record) == "RUNNING" for record in jobs) and time.monotonic() < deadline:
        time.sleep(0.1)
    for record in jobs:
        if _state(spool, record) == "RUNNING":
            os.killpg(record["pid"], signal.SIGKILL)


def main() -> int:
    """Run one of the words."""
    parser = argparse.ArgumentParser(prog="local.py", description="A scheduler for one machine.")
    parser.add_argument("--spool", type=Path, required=True)
    words = parser.add_subparsers(dest="word", required=True)
    word = words.add_parser("submit")
    word.add_argument("--comment", default="")
    word.add_argument("--chdir", type=Path, default=Path())
    word.add_argument("script", type=Path)
    words.add_parser("queue")
    word = words.add_parser("cancel")
    word.add_argument("ids", nargs="+")
    word = words.add_parser("keep")
    word.add_argument("id")
    word.add_argument("script", type=Path)
    arguments = parser.parse_args()
    spool = arguments.spool
    match arguments.word:
        case "submit":
            print(submit(spool, arguments.script, arguments.chdir, arguments.comment))
        case "queue":
            for record in _records(spool):
                print(json.dumps({**record, "state": _state(spool, record)}))
        case "cancel":
            cancel(spool, arguments.ids)
        case "keep":
            return keep(spool, arguments.id, arguments.script)
    return 0


if __name__ == "__main__":
    sys.exit(main())
