"""The texts of /metrics that tests read, by name."""

from __future__ import annotations

from pathlib import Path

TEXTS = Path(__file__).with_name("texts")
ALL = tuple(sorted(path.name for path in TEXTS.glob("*.txt")))


def text(name: str) -> str:
    """One of them, `.txt` left out."""
    return (TEXTS / f"{name}.txt").read_text(encoding="utf-8")
