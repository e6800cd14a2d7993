"""What all tests of the screens need."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screens have colours, whatever the terminal that the tests run in asks for."""
    monkeypatch.delenv("NO_COLOR", raising=False)
