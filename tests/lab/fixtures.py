"""Fixtures for tests that need a real cluster; tests/conftest.py makes them known. Such tests are marked `lab`.

A lab that cannot be brought up fails its tests: one that is skipped in silence would prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit

from tests.command_line import CommandLine
from tests.lab.cluster import Lab, LabError
from tests.lab.fleet import cluster_config


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Three compute nodes with eight GPUs each, for the whole session, in whatever state the last test left them."""
    yield from _brought_up(nodes=3)


@pytest.fixture(scope="session")
def accounting_lab() -> Iterator[Lab]:
    """One compute node, and an accounting database: sacct answers."""
    yield from _brought_up(nodes=1, accounting=True)


@pytest.fixture(scope="session")
def lab_without_node_logins() -> Iterator[Lab]:
    """Two compute nodes that run no sshd: they are reached by SLURM alone."""
    yield from _brought_up(nodes=2, node_sshd=False)


@pytest.fixture
def idle_lab(lab: Lab) -> Lab:
    """The lab of `lab`, mended, without jobs and with all nodes idle when the test starts."""
    lab.cancel_all_and_wait()
    return lab


@pytest.fixture
def tau2tui(idle_lab: Lab, tmp_path: Path) -> Iterator[CommandLine]:
    """The command on this machine, its login node being the lab's; all that it submits is ended with the test."""
    config = tmp_path / "config.toml"
    config.write_text(tomlkit.dumps(cluster_config(idle_lab)))
    yield CommandLine(config, tmp_path)
    idle_lab.cancel_all_and_wait()


def _brought_up(nodes: int, *, accounting: bool = False, node_sshd: bool = True) -> Iterator[Lab]:
    try:
        lab = Lab.up(nodes, accounting=accounting, node_sshd=node_sshd)
    except LabError as error:
        pytest.fail(f"the lab did not come up: {error}", pytrace=False)
    try:
        yield lab
    finally:
        lab.down()
