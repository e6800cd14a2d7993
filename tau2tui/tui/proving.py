"""Replicas proved once more because the operator asked: by a real completion of each."""

from __future__ import annotations

from collections.abc import Callable

from tau2tui.ops import Ops
from tau2tui.tui.format import probed_words

_BETWEEN_S, _TIMEOUT_S = 1.0, 5.0
"""Between two scrapes of a server, and for one request to it."""


async def prove(ops: Ops, replicas: tuple[str, ...], tell: Callable[[str], None]) -> tuple[tuple[str, str, bool], ...]:
    """Each replica with how far its completion got, and whether it failed; nothing of it is kept. Raises Tau2TuiError.

    `tell` hears meanwhile what is being done.
    """
    from tau2tui.ops.probing import probe_run

    tell(f"asking {', '.join(replicas)} for a completion")
    found = await probe_run(ops, replicas, "", _BETWEEN_S, _TIMEOUT_S, probe=True, tell=tell)
    return tuple((name, probed_words(probed), not probed.ready) for name, probed in found.items())
