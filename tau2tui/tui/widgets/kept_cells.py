"""Cells of rows that are the same as before are the same objects: made once, and seen at once to be unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from tau2tui.tui.format import Cell, Tone

R = TypeVar("R")
R_in = TypeVar("R_in", contravariant=True)


class MakeCells(Protocol[R_in]):
    """What makes the cells of a row; with `old` their words say that it is what was seen last."""

    def __call__(self, row: R_in, /, *, old: bool) -> tuple[Cell, ...]: ...


class KeptCells(Generic[R]):
    """For a table whose rows come anew with each snapshot, most of them as they were."""

    def __init__(self, make: MakeCells[R]) -> None:
        self._make = make
        self._rows: Mapping[str, R] = {}
        self._cells: dict[str, tuple[Cell, ...]] = {}
        self._old = False

    def of(self, rows: Mapping[str, R], *, old: bool) -> dict[str, tuple[Cell, ...]]:
        """The cells of these rows, by their keys."""
        before, kept = (self._rows, self._cells) if old == self._old else ({}, {})
        self._cells = {
            key: kept[key] if key in before and before[key] == row else self._made(row, old=old)
            for key, row in rows.items()
        }
        self._rows, self._old = rows, old
        return self._cells

    def _made(self, row: R, *, old: bool) -> tuple[Cell, ...]:
        """What is old is muted."""
        cells = self._make(row, old=old)
        return tuple(Cell(cell.text, Tone.MUTED, cell.value) for cell in cells) if old else cells
