"""Practice servers for the tests of the load."""

from __future__ import annotations

from tests.rehearsal.conftest import servers

__all__ = ["servers"]
