#!/usr/bin/env python3
"""The login machine's front door: listens on 127.0.0.1 of the host, runs a real `sshd -i` inside for each connection.

The listening socket belongs to the host's network, sshd and all that it starts to the login machine's: a client finds
a login node that can be reached by SSH and by nothing else. Ends with the login machine, as its address would.
usage: sshgate.py PORT LAB        (port 0: any free one; the port it has stands in LAB/run/sshgate.port)
"""

import os
import select
import signal
import socket
import sys
from pathlib import Path


def serve_until_login_ends(listener: socket.socket, login_pid: str, lab: Path) -> None:
    """Accept connections for as long as the login machine's PID 1 lives."""
    login = os.pidfd_open(int(login_pid))
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(login, select.POLLIN)
    while not any(descriptor == login for descriptor, _ in poll.poll()):
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if os.fork() == 0:
                become_sshd(connection, login_pid, lab)


def become_sshd(connection: socket.socket, login_pid: str, lab: Path) -> None:
    """Turn this process into the login machine's sshd, with the connection as its standard input and output."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(connection.fileno(), 0)
    os.dup2(connection.fileno(), 1)
    enter = ["nsenter", "--target", login_pid, "--net", "--mount", "--uts", "--ipc", "--pid", "--"]
    sshd = ["/usr/sbin/sshd", "-i", "-f", f"{lab}/etc/sshd_config", "-E", f"{lab}/log/sshd.login.log"]
    os.execvp(enter[0], enter + sshd)


def main() -> None:
    port, lab = int(sys.argv[1]), Path(sys.argv[2])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the children
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        sys.exit(f"127.0.0.1 port {port}: {error.strerror}")
    named = lab / "run/sshgate.port"
    written = named.with_suffix(".new")
    written.write_text(str(listener.getsockname()[1]))
    written.rename(named)
    serve_until_login_ends(listener, (lab / "run/login.pid").read_text().strip(), lab)


if __name__ == "__main__":
    main()
