"""The lab from Python: a real SLURM cluster with a real SSH login node, on this machine, while tests run."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
PLACE = Path("/var/lib")
"""Where labs are kept: the machines see it at the same path, and every user may pass through it."""
USER = "researcher"

T = TypeVar("T")


class LabError(Exception):
    """The lab could not do what a test needs of it; the message has what its programs said."""


def _run(argv: list[str], settings: dict[str, str], stdin: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run one of the lab's scripts to its end, whatever that is. Raises LabError when it takes longer."""
    env = {"PATH": os.environ["PATH"], **settings}  # a stray NODES or GPUS of the caller's must not change the lab
    try:
        return subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False, env=env
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{shlex.join(argv)}: no end after {timeout_s:g} s") from None


def _checked(result: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """The result of a command that had to succeed. Raises LabError with all it said if it did not."""
    if result.returncode:
        said = (result.stdout + result.stderr).strip()
        raise LabError(f"{shlex.join(result.args)} ended with {result.returncode}:\n{said}")
    return result


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab that is up: the machines `ctl`, `login`, `node1`, `node2`, ... that share `directory` and a network."""

    directory: Path
    nodes: tuple[str, ...]

    @classmethod
    def up(cls, nodes: int = 3, *, checkout: Path = CHECKOUT, accounting: bool = False, node_sshd: bool = True) -> Lab:
        """Bring up a lab of its own, with all nodes idle; `checkout` is what the machines have at /opt/tau2tui.

        It is removed by `down`, and at the latest when this process ends. Raises LabError, with the `apt-get` line
        where programs are missing.
        """
        directory = PLACE / f"tau2tui-lab-{secrets.token_hex(4)}"
        settings = {
            "LAB": str(directory),
            "REPO": str(checkout),
            "NODES": str(nodes),
            "ACCOUNTING": str(int(accounting)),
            "NODE_SSHD": str(int(node_sshd)),
            "OWNER": str(os.getpid()),
            "SSH_PORT": "0",
        }
        lab = cls(directory, tuple(f"node{number}" for number in range(1, nodes + 1)))
        try:
            _checked(_run([str(HERE / "up.sh")], settings, stdin="", timeout_s=120))
        except LabError:
            lab.down()
            raise
        return lab

    def down(self) -> None:
        """End everything that runs in the lab and remove its files."""
        _checked(self._script("down.sh", "--purge"))

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`, with key and known host keys: the hosts `login` and, by way of it, `node1`, `node2`, ..."""
        return self.directory / "etc/ssh_config"

    @property
    def ssh_port(self) -> int:
        """Port of the login machine's SSH server, on 127.0.0.1 of this machine."""
        return int((self.directory / "run/sshgate.port").read_text())

    @property
    def home(self) -> Path:
        """The user's home directory: the same path here and on every machine."""
        return self.directory / "home" / USER

    @property
    def small(self) -> Path:
        """A directory on a file system of 4 MiB that all machines share and everybody may write."""
        return self.directory / "small"

    @property
    def gpus(self) -> Path:
        """`<node>/<index>` lists the processes on a GPU that nvidia-smi shows, as lines "PID MiB"."""
        return self.directory / "gpus"

    def on(
        self, machine: str, *argv: str, check: bool = True, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root inside a machine. Raises LabError when it fails, unless `check` is False."""
        result = self._script("on", machine, *argv, timeout_s=timeout_s)
        return _checked(result) if check else result

    def as_user(
        self, machine: str, *argv: str, stdin: str = "", check: bool = True, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the researcher, in their home directory. Raises LabError like `on`."""
        result = self._script("on", "-u", machine, *argv, stdin=stdin, timeout_s=timeout_s)
        return _checked(result) if check else result

    def power(self, *words: str) -> None:
        """Break something or mend it: `power("off", "node2")`, `power("stop", "slurmctld")`; see the script `power`."""
        _checked(self._script("power", *words))

    def queue(self) -> str:
        """The jobs that SLURM is not done with, one `id|name|state|nodes|reason` a line; empty if there are none."""
        return self.on("login", "squeue", "--noheader", "--format=%i|%j|%T|%N|%r").stdout

    def job_state(self, job_id: str) -> str:
        """SLURM's word for the state of a job, also of one that has ended."""
        return self.on(
            "login", "squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T"
        ).stdout.strip()

    def node_states(self) -> dict[str, str]:
        """SLURM's word for the state of each node; with a star if it does not answer."""
        lines = self.on("login", "sinfo", "--noheader", "--Node", "--format=%N %T").stdout.splitlines()
        return dict(line.split() for line in lines)

    def wait_for(self, predicate: Callable[[], T], timeout_s: float = 30) -> T:
        """Ask until the answer is true, and return it. Raises LabError, with queue and nodes, after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not (answer := predicate()):
            if time.monotonic() > deadline:
                raise LabError(f"waited {timeout_s:g} s in vain, the last answer was {answer!r}\n{self._situation()}")
            time.sleep(0.1)
        return answer

    def register_gpu_process(self, node: str, gpu: int, pid: int, memory_mib: int) -> None:
        """Let nvidia-smi on `node` show a process, by its pid there, on a GPU for as long as it lives."""
        with (self.gpus / node / str(gpu)).open("a") as holders:
            holders.write(f"{pid} {memory_mib}\n")

    def start_gpu_process(self, node: str, gpu: int, memory_mib: int, *, as_root: bool = False) -> int:
        """Start a process outside any job that holds a GPU, for an hour or until it is killed; its pid on the node."""
        run = self.on if as_root else self.as_user
        pid = int(run(node, "bash", "-c", "setsid sleep 3600 </dev/null >/dev/null 2>&1 & echo $!").stdout)
        self.register_gpu_process(node, gpu, pid, memory_mib)
        return pid

    def cancel_all_and_wait(self) -> None:
        """Make the lab as it was when it came up, but for files: nothing broken, no jobs, idle nodes, empty GPUs."""
        self.power("mend")
        self.on("login", "scancel", f"--user={USER}")
        for node in self.nodes:
            # All that the user may signal there, but for the shell itself: jobs that ignore TERM, what outlived one.
            self.as_user(node, "bash", "-c", "kill -KILL -1", check=False)
            for holders in (self.gpus / node).iterdir():
                holders.write_text("")
        self.on("login", "find", str(self.small), "-mindepth", "1", "-delete")
        self.wait_for(lambda: not self.queue())
        self.wait_for(self._all_idle)

    def _situation(self) -> str:
        """What SLURM says of itself, for a message: it may be what is broken."""
        seen = [self.on("login", *argv, check=False) for argv in (("squeue", "--states=all"), ("sinfo", "--Node"))]
        return "".join(result.stdout + result.stderr for result in seen)

    def _all_idle(self) -> bool:
        """Whether every node is idle; asks SLURM to use again those that were drained or set down."""
        states = self.node_states()
        unused = [node for node, state in states.items() if state.startswith(("down", "drain"))]
        if unused:
            self.on("ctl", "scontrol", "update", f"nodename={','.join(unused)}", "state=resume", check=False)
        return set(states.values()) == {"idle"}

    def _script(
        self, name: str, *words: str, stdin: str = "", timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        return _run([str(HERE / name), *words], {"LAB": str(self.directory)}, stdin, timeout_s)
