"""What goes on beside all else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from textual.dom import DOMNode
from textual.worker import Worker


def start(node: DOMNode, work: Callable[[], Coroutine[Any, Any, None]], *, group: str, exclusive: bool = False) -> None:
    """Begin something that ends with a part of the screen, or with the next of its group if that is to be the only one.

    What is ended before it has begun is never called: Python would tell of its coroutine on the restored terminal.
    """
    _: Worker[None] = node.run_worker(work, group=group, exclusive=exclusive)
