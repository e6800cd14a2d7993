"""Fixtures for tests that need a real cluster; tests/conftest.py makes them known. Such tests are marked `lab`.

A lab that cannot be brought up fails its tests: one that is skipped in silence would prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.cluster import Lab, LabError


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Three compute nodes with eight GPUs each, for the whole session, in whatever state the last test left them."""
    yield from _brought_up(nodes=3, accounting=False)


@pytest.fixture(scope="session")
def accounting_lab() -> Iterator[Lab]:
    """One compute node, and an accounting database: sacct answers."""
    yield from _brought_up(nodes=1, accounting=True)


@pytest.fixture
def idle_lab(lab: Lab) -> Lab:
    """The lab of `lab`, mended, without jobs and with all nodes idle when the test starts."""
    lab.cancel_all_and_wait()
    return lab


def _brought_up(nodes: int, accounting: bool) -> Iterator[Lab]:
    try:
        lab = Lab.up(nodes, accounting=accounting)
    except LabError as error:
        pytest.fail(f"the lab did not come up: {error}", pytrace=False)
    try:
        yield lab
    finally:
        lab.down()
