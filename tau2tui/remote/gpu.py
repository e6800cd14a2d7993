"""GPUs of the nodes: asked of the job's agent, over SSH to the node, or by a step in the job, whichever works.

Over SSH and in a step the agent's program is handed to a Python there, so that nodes can be asked before any launch.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from tau2tui.core.gpus import NodeGpus, node_gpus_from
from tau2tui.core.model import Job, JobState
from tau2tui.errors import CommandFailed, Tau2TuiError
from tau2tui.remote.rundir import RunDirectory

Via = Literal["auto", "agent", "ssh", "srun", "here"]
WAYS: tuple[Via, ...] = ("agent", "ssh", "srun")
_AGENT_ANSWERS_S = 20.0
_COMMAND_S = 60.0


@dataclass(frozen=True, slots=True)
class Nodes:
    """The ways to the compute nodes of one run."""

    run: RunDirectory
    jobs: tuple[Job, ...]
    local: bool
    """All nodes are this machine."""
    by: str
    """Who asks, for the agent's log."""

    async def look(self, node: str, live_jobs: frozenset[str] | None, via: Via = "auto") -> NodeGpus:
        """GPUs and processes of one node; with `auto` by the first way that works. Never raises for one that is silent.

        `live_jobs` are the user's jobs that live; None lets the node ask SLURM itself.
        """
        live = () if live_jobs is None else ("--live", ",".join(sorted(live_jobs)))
        complaints = []
        for way in self._ways(via):
            try:
                return node_gpus_from(await self._call(node, way, "gpus", live), node, way)
            except (Tau2TuiError, ValueError, KeyError, TypeError) as error:
                complaints.append(f"{way}: {error}")
        return NodeGpus(node, via, error="; ".join(complaints))

    async def clean(self, node: str, via: str, only: str) -> str:
        """End exactly these processes there; returns what was done, what was left, and what is free now.

        Raises CommandFailed if one of them could not be ended, Unreachable, GaveUp.
        """
        result = await self._call(node, via, "clean", ("--only", only))
        told = [f"pid {entry['pid']} {entry['result']}" for entry in result["ended"]] or ["no process had to be ended"]
        told.append(f"{result['freed_mib']:.0f} MiB freed")
        told += [f"left: pid {each['pid']} of {each['user']} ({each['why']})" for each in result["left"]]
        if result["shared_memory"]:
            told.append(f"{len(result['shared_memory'])} files in /dev/shm removed")
        if any("cannot be ended" in entry["result"] for entry in result["ended"]):
            raise CommandFailed(f"{node}: {'; '.join(told)}", "exclude the node, and tell its administrator")
        return f"{node}: {'; '.join(told)}"

    def _ways(self, via: Via) -> tuple[Via, ...]:
        if self.local:
            return ("here",)
        return WAYS if via == "auto" else (via,)

    async def _call(self, node: str, via: str, verb: str, words: Sequence[str]) -> dict[str, Any]:
        """One word of the node agent's program on a node."""
        job = next((job for job in self.jobs if job.nodes == node and job.state is JobState.RUNNING), None)
        if via == "agent":
            if job is None:
                raise CommandFailed(f"no job of this run runs on {node}")
            value = words[-1] if verb == "clean" else None
            answer = await self.run.ask(job.id, verb, value, self.by, _AGENT_ANSWERS_S)
        else:
            argv = self._through(node, via, job, (self.run.python, "-", verb, *words))
            program = resources.files("tau2tui.node").joinpath("agent.py").read_bytes()
            answer = (await self.run.shell.run(argv, _COMMAND_S, program)).check().answer
        result: dict[str, Any] = json.loads(answer)
        return result

    def _through(self, node: str, via: str, job: Job | None, argv: tuple[str, ...]) -> tuple[str, ...]:
        """The command line that runs another one on a node."""
        if via == "here":
            return argv
        if via == "ssh":
            return ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", node, shlex.join(argv))
        if job is None:
            raise CommandFailed(f"no job of this run runs on {node}: srun needs one")
        return ("srun", f"--jobid={job.id}", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={node}", *argv)
