"""The table of GPUs: a row for each process that holds one, and for each GPU that nobody holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from tau2tui.core.gpus import Gpu, GpuProcess, NodeGpus
from tau2tui.core.model import DirtyNode
from tau2tui.tui.format import UNKNOWN, Cell, Tone, duration, percent
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.keyed_table import KeyedTable

COLUMNS = (
    Column("STATE", 10, ALWAYS),
    Column("NODE", 6, ALWAYS, most=24),
    Column("GPU", 3, ALWAYS, right=True),
    Column("MIB", 6, 90, right=True),
    Column("OF", 6, 30, right=True),
    Column("BUSY", 4, 40, right=True),
    Column("PID", 7, 85, right=True),
    Column("USER", 8, 60, most=16),
    Column("AGE", 6, 70, right=True),
    Column("REPLICA", 8, 55, most=24),
    Column("COMMAND", 8, 20, most=30),
    Column("WHY", 12, 80, most=200, flexible=True),
)
_LEFT_OVER_MIB = 1024.0
"""So much memory without a process to show for it is worth a look; less is what the driver keeps."""


class GpuTable(KeyedTable):
    """Keys are `node/gpu/pid`, `node/gpu` for a GPU without a process, and the node's name where nothing is known."""

    FAULTS: ClassVar[str] = "!state:free !state:ours !state:used"

    def __init__(self) -> None:
        super().__init__(COLUMNS)

    def show_nodes(self, reports: Iterable[NodeGpus], dirty: Mapping[str, DirtyNode]) -> None:
        """Show what the nodes said, and what is remembered of them."""
        rows: dict[str, tuple[Cell, ...]] = {}
        for report in reports:
            rows |= _rows(report)
            if report.node in dirty:
                node = dirty[report.node]
                rows[f"{report.node} dirty"] = _alone("▲ dirty", Tone.WARN, report.node, node.reason)
        self.show_rows(rows)


def node_of(key: str) -> str:
    """The node that a row belongs to."""
    return key.partition("/")[0].removesuffix(" dirty")


def _rows(report: NodeGpus) -> dict[str, tuple[Cell, ...]]:
    if report.error:
        return {report.node: _alone("? unknown", Tone.DOUBT, report.node, report.error)}
    rows: dict[str, tuple[Cell, ...]] = {}
    for gpu in report.gpus:
        held = [process for process in report.processes if process.gpu_uuid == gpu.uuid]
        for process in held:
            rows[f"{report.node}/{gpu.index}/{process.pid}"] = _held(report.node, gpu, process)
        if not held:
            rows[f"{report.node}/{gpu.index}"] = _free(report.node, gpu)
    for name in report.shared_memory:
        rows[f"{report.node}/shm/{name}"] = _alone("✖ stale", Tone.BAD, report.node, f"/dev/shm/{name}")  # noqa: S108
    return rows


def _held(node: str, gpu: Gpu, process: GpuProcess) -> tuple[Cell, ...]:
    state = (
        Cell("✖ stale", Tone.BAD) if process.stale else Cell("● ours", Tone.OK) if process.replica else Cell("■ used")
    )
    return (
        state,
        Cell(node),
        Cell(gpu.index, value=_number(gpu.index)),
        Cell(f"{process.used_mib:.0f}", value=process.used_mib),
        Cell(UNKNOWN if gpu.total_mib is None else f"{gpu.total_mib:.0f}", Tone.MUTED, gpu.total_mib),
        Cell(percent(gpu.utilization), value=gpu.utilization),
        Cell(str(process.pid), value=process.pid),
        Cell(process.user or UNKNOWN),
        Cell(duration(process.age_s), value=process.age_s),
        Cell(process.replica or UNKNOWN, Tone.PLAIN if process.replica else Tone.MUTED),
        Cell(" ".join(process.command.split()), Tone.MUTED),
        Cell(process.why, Tone.BAD if process.stale else Tone.MUTED),
    )


def _free(node: str, gpu: Gpu) -> tuple[Cell, ...]:
    left = gpu.used_mib is not None and gpu.used_mib > _LEFT_OVER_MIB
    unknown = gpu.used_mib is None
    state = (
        Cell("▲ held", Tone.WARN) if left else Cell("? unknown", Tone.DOUBT) if unknown else Cell("○ free", Tone.MUTED)
    )
    why = "memory is held, and no process of it is visible" if left else "its memory is not reported" if unknown else ""
    return (
        state,
        Cell(node),
        Cell(gpu.index, value=_number(gpu.index)),
        Cell(UNKNOWN if unknown else f"{gpu.used_mib:.0f}", value=gpu.used_mib),
        Cell(UNKNOWN if gpu.total_mib is None else f"{gpu.total_mib:.0f}", Tone.MUTED, gpu.total_mib),
        Cell(percent(gpu.utilization), value=gpu.utilization),
        *(Cell(UNKNOWN, Tone.MUTED) for _ in range(4)),
        Cell(gpu.name, Tone.MUTED),
        Cell(why, Tone.WARN),
    )


def _alone(state: str, tone: Tone, node: str, why: str) -> tuple[Cell, ...]:
    """A row about a node as a whole."""
    return (Cell(state, tone), Cell(node), *(Cell(UNKNOWN, Tone.MUTED) for _ in range(9)), Cell(why, tone))


def _number(index: str) -> float | None:
    return float(index) if index.isdecimal() else None
