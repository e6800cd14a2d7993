"""The lab does what the tests that use it rely on."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncssh
import pytest

from tests.lab.cluster import CHECKOUT, Lab
from tests.processes import TICKS_S, stat_fields

pytestmark = pytest.mark.lab

PYTHON = "/opt/tau2tui/.venv/bin/python"


def submit(lab: Lab, command: str, *options: str) -> str:
    return lab.as_user("login", "sbatch", "--parsable", *options, f"--wrap={command}").stdout.strip()


def test_it_comes_up_with_all_nodes_idle(idle_lab: Lab) -> None:
    assert idle_lab.node_states() == {"node1": "idle", "node2": "idle", "node3": "idle"}
    assert idle_lab.queue() == ""


def test_a_job_gets_the_gpus_it_asked_for(idle_lab: Lab) -> None:
    job = submit(
        idle_lab, 'echo "$CUDA_VISIBLE_DEVICES"; hostname', "--gres=gpu:4", "--nodelist=node2", "--output=%j.out"
    )
    idle_lab.wait_for(lambda: idle_lab.job_state(job) == "COMPLETED")
    assert (idle_lab.home / f"{job}.out").read_text().splitlines() == ["0,1,2,3", "node2"]


def test_cancel_all_ends_running_and_waiting_jobs_and_what_outlived_one(idle_lab: Lab) -> None:
    first = submit(
        idle_lab, "setsid sleep 3600 & trap '' TERM; sleep 3600 & wait; wait", "--gres=gpu:8", "--nodelist=node1"
    )
    submit(idle_lab, "sleep 3600", "--gres=gpu:8", "--nodelist=node1")
    idle_lab.wait_for(lambda: idle_lab.job_state(first) == "RUNNING")
    idle_lab.cancel_all_and_wait()
    assert idle_lab.queue() == ""
    assert "sleep 3600" not in idle_lab.on("node1", "bash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout


async def test_the_login_node_is_reached_by_ssh_with_the_lab_s_own_configuration(lab: Lab) -> None:
    async with asyncssh.connect("login", config=[str(lab.ssh_config)]) as connection:
        result = await connection.run("hostname; id --user --name", check=True)
    assert result.stdout == "login\nresearcher\n"


async def test_a_compute_node_is_reached_by_ssh_through_the_login_node(lab: Lab) -> None:
    async with asyncssh.connect("node1", config=[str(lab.ssh_config)]) as connection:
        result = await connection.run("hostname", check=True)
    assert result.stdout == "node1\n"
    assert lab.as_user("login", "ssh", "node2", "hostname").stdout == "node2\n"


async def test_a_stranger_s_key_is_refused(lab: Lab) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            "login", config=[str(lab.ssh_config)], client_keys=[asyncssh.generate_private_key("ssh-ed25519")]
        )


def test_a_node_that_loses_power_goes_down_while_the_others_stay(idle_lab: Lab) -> None:
    job = submit(idle_lab, "sleep 3600", "--nodelist=node2", "--no-requeue")
    idle_lab.wait_for(lambda: idle_lab.job_state(job) == "RUNNING")
    idle_lab.power("off", "node2")
    idle_lab.wait_for(lambda: idle_lab.node_states()["node2"].startswith("down"), timeout_s=90)
    assert idle_lab.job_state(job) == "NODE_FAIL"
    assert {idle_lab.node_states()[node] for node in ("node1", "node3")} == {"idle"}
    idle_lab.power("on", "node2")
    idle_lab.wait_for(lambda: idle_lab.node_states()["node2"] == "idle")


def test_what_was_broken_is_mended(idle_lab: Lab) -> None:
    idle_lab.power("stop", "slurmctld")
    idle_lab.power("kill", "slurmd@node1")
    idle_lab.power("unplug", "node2")
    idle_lab.power("off", "login")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", idle_lab.ssh_port), timeout=5).close()
    idle_lab.cancel_all_and_wait()
    assert set(idle_lab.node_states().values()) == {"idle"}
    with socket.create_connection(("127.0.0.1", idle_lab.ssh_port), timeout=5) as connection:
        assert connection.recv(7) == b"SSH-2.0"


def test_nodes_reach_each_other_s_ports_and_the_host_reaches_none(idle_lab: Lab) -> None:
    listen = "import socket; s = socket.create_server(('', 8000)); c, _ = s.accept(); c.sendall(b'hello'); c.close()"
    idle_lab.as_user("node2", "bash", "-c", f'setsid python3 -c "{listen}" </dev/null >/dev/null 2>&1 &')
    address = idle_lab.on("node2", "hostname", "-i").stdout.strip()
    with pytest.raises(OSError, match=r"unreachable|No route"):
        socket.create_connection((address, 8000), timeout=5)
    connect = "import socket; print(socket.create_connection(('node2', 8000)).recv(5).decode())"
    answer = idle_lab.wait_for(lambda: idle_lab.as_user("node1", "python3", "-c", connect, check=False).stdout)
    assert answer == "hello\n"


@pytest.mark.parametrize("machine", ["login", "node1"])
def test_an_ordinary_user_can_run_the_checkout_on_every_machine_but_not_write_it(lab: Lab, machine: str) -> None:
    code = "import tau2tui.config, asyncssh, polars; print(tau2tui.__file__)"
    result = lab.as_user(machine, "env", "-C", "/", "PYTHONPATH=/opt/tau2tui", PYTHON, "-c", code)
    assert (result.stdout, result.stderr) == ("/opt/tau2tui/tau2tui/__init__.py\n", "")
    refused = lab.on(machine, "touch", "/opt/tau2tui/written", check=False)
    assert "Read-only file system" in refused.stderr


def test_two_labs_run_side_by_side_and_one_s_checkout_may_lie_where_only_root_can_go(lab: Lab, tmp_path: Path) -> None:
    assert tmp_path.stat().st_mode & 0o077 == 0
    checkout = tmp_path / "checkout"
    shutil.copytree(CHECKOUT / "tau2tui", checkout / "tau2tui")
    other = Lab.up(1, checkout=checkout)
    try:
        assert other.ssh_port != lab.ssh_port
        code = "import tau2tui; print(tau2tui.__file__)"
        result = other.as_user("node1", "env", "PYTHONPATH=/opt/tau2tui", "python3", "-c", code)
        assert result.stdout == "/opt/tau2tui/tau2tui/__init__.py\n"
        assert lab.node_states().keys() == {"node1", "node2", "node3"}
        assert other.node_states() == {"node1": "idle"}
    finally:
        other.down()
    assert lab.as_user("login", "hostname").stdout == "login\n"


def test_nvidia_smi_shows_a_registered_process_until_it_ends(idle_lab: Lab) -> None:
    query = [
        "nvidia-smi",
        "--query-compute-apps=gpu_uuid,pid,used_memory,process_name",
        "--format=csv,noheader,nounits",
    ]
    pid = idle_lab.start_gpu_process("node3", gpu=5, memory_mib=70000)
    uuids = idle_lab.as_user("node3", "nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader").stdout.split()
    assert idle_lab.as_user("node3", *query).stdout == f"{uuids[5]}, {pid}, 70000, sleep\n"
    used = idle_lab.as_user("node3", "nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits").stdout
    assert used.split() == ["0"] * 5 + ["70000"] + ["0"] * 2
    assert idle_lab.as_user("node1", *query).stdout == ""
    idle_lab.as_user("node3", "kill", str(pid))
    idle_lab.wait_for(lambda: idle_lab.as_user("node3", *query).stdout == "", timeout_s=10)
    assert idle_lab.as_user("login", "nvidia-smi", "-L", check=False).returncode == 127


def test_accounting_remembers_how_a_job_ended(accounting_lab: Lab) -> None:
    job = submit(accounting_lab, "exit 7")
    argv = ["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job}", "--format=State,ExitCode"]
    accounting_lab.wait_for(lambda: accounting_lab.as_user("login", *argv).stdout == "FAILED|7:0\n")


def test_down_leaves_no_process_namespace_mount_route_or_file() -> None:
    lab = Lab.up(1)
    inside = [int(path.read_text()) for path in (lab.directory / "run").glob("*.pid") if path.stem != "sshgate"]
    kinds = ("net", "mnt", "uts", "ipc", "pid")
    namespaces = {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for pid in inside for kind in kinds}
    assert len(inside) == 4  # switch, ctl, login, node1
    assert len(namespaces) == len(inside) * len(kinds)
    assert f"metric {(lab.directory / 'run/switch.pid').read_text().strip()}" in routes()
    began_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    lab.down()
    assert not namespaces & namespaces_in_use(began_s)
    assert str(lab.directory) not in everything_in_proc()
    assert not any(f"metric {pid}" in routes() for pid in inside)
    assert not lab.directory.exists()


def test_the_lab_ends_with_the_process_that_wanted_it_even_if_that_is_killed(lab: Lab) -> None:
    code = (
        "import sys, time; from tests.lab.cluster import Lab; print(Lab.up(1).directory, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        directory = owner.stdout.readline().strip()
        assert Path(directory, "settings").exists()
        owner.send_signal(signal.SIGKILL)
    lab.wait_for(lambda: not Path(directory).exists() and directory not in everything_in_proc())


def test_without_root_it_says_so_and_touches_nothing(lab: Lab) -> None:
    result = lab.as_user("login", "/opt/tau2tui/tests/lab/up.sh", check=False)
    assert result.returncode == 1
    assert "need root" in result.stderr


def test_a_missing_program_is_named_with_the_packages_to_install(lab: Lab) -> None:
    without_sbin = "mount -t tmpfs tmpfs /usr/sbin && LAB=/var/lib/never /opt/tau2tui/tests/lab/up.sh"
    result = lab.on("ctl", "unshare", "--mount", "bash", "-c", without_sbin, check=False)
    assert result.returncode == 1
    assert "missing: slurmctld slurmd munged sshd; apt-get install -y --no-install-recommends" in result.stderr
    assert " slurmd " in result.stderr.partition("apt-get")[2]


def routes() -> str:
    return subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout


def namespaces_in_use(began_s: float) -> set[str]:
    """Every namespace with a process that was there before a moment, in seconds since the machine started.

    A lab that begins later, beside this one, may get the number of a namespace that has ended.
    """
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/*"):
        try:
            if int(stat_fields(link.parts[2])[19]) / TICKS_S <= began_s:
                found.add(str(link.readlink()))
        except OSError:  # the process ended meanwhile
            continue
    return found


def everything_in_proc() -> str:
    """The arguments and the mounts of all processes on this machine but this one."""
    text = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        for name in ("cmdline", "mountinfo"):
            try:
                text.append((process / name).read_text(errors="replace"))
            except OSError:  # the process ended meanwhile, or is about to
                continue
    return "\n".join(text)
