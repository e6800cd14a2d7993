"""New windows of tmux: a shell on a node, in a job, or on the login node, beside the app instead of in its place."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from tau2tui.config import ClusterConfig
from tau2tui.tui.messages import ShellAsked, Told
from tau2tui.tui.tmux import call_tmux, literal

_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_JOB = re.compile(r"\d+(?:[_+]\d+)?")
_TIMEOUT_S = 5.0


def node_argv(cluster: ClusterConfig, node: str) -> tuple[str, ...] | None:
    """A shell on a node, by SSH from the login node; None for a name that no node has."""
    if not _NODE.fullmatch(node):
        return None
    return through(cluster, ("ssh", "-t", node))


def job_argv(cluster: ClusterConfig, job_id: str) -> tuple[str, ...] | None:
    """A shell as a step in a job that runs, for clusters whose nodes let nobody in."""
    if not _JOB.fullmatch(job_id):
        return None
    return through(cluster, ("srun", f"--jobid={job_id}", "--overlap", "--pty", "bash", "-l"))


def node_shell(cluster: ClusterConfig, node: str) -> ShellAsked | Told:
    """What a screen posts when a shell on a node is asked for: that, or why there is none."""
    argv = node_argv(cluster, node)
    return ShellAsked(node, argv) if argv is not None else Told("it is on no node that is known", trouble=True)


def job_shell(cluster: ClusterConfig, job_id: str) -> ShellAsked | Told:
    """What a screen posts when a shell in a job is asked for: that, or why there is none."""
    argv = job_argv(cluster, job_id)
    if argv is None:
        return Told("it runs in no job that is known", trouble=True)
    return ShellAsked(f"job {job_id}", argv)


def through(cluster: ClusterConfig, argv: Sequence[str]) -> tuple[str, ...]:
    """A command as it is run from here: over the login node, if there is one."""
    if not cluster.login:
        return tuple(argv)
    port = ("-p", str(cluster.port)) if cluster.port else ()
    settings = ("-F", cluster.ssh_config) if cluster.ssh_config else ()
    # sshd gives what stands behind the host to a shell as one line.
    return ("ssh", "-t", *port, *settings, cluster.login, "--", shlex.join(argv))


async def open_window(title: str, argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Run a command in a new window of the tmux that this runs in; returns what went wrong, or nothing.

    tmux runs several words as they are, and a single one by a shell: so there are always two at least.
    """
    command = shlex.join(argv)
    if not environ.get("TMUX"):
        return f"this is not in tmux; in another terminal: {command}"
    words = argv if len(argv) > 1 else ("env", *argv)
    try:
        said = await call_tmux(("new-window", "-n", literal(title), "--", *words), environ, _TIMEOUT_S)
    except OSError as error:
        return f"tmux cannot be run: {error.strerror}"
    if said is None:
        return f"tmux did not answer within {_TIMEOUT_S:g} s"
    return f"tmux opened no window: {said[:200]}" if said else ""
