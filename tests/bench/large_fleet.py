"""A large fleet in memory, which answers at once: its state is encoded beforehand, as a login node would have done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from tau2tui.config import Config
from tau2tui.core.model import Job, JobState, Load, Phase
from tau2tui.core.wire import progress_to
from tests.bench.status import large_config
from tests.tui.fakes import FakeClock, FakeCluster, running_evaluation

Change = Literal["none", "tenth", "all"]
_EVERY = {"tenth": 10, "all": 1}
_VARIANTS = 4
_CLOCK = '"@clock"'


@dataclass
class LargeCluster(FakeCluster):
    """Its replicas' loads change from look to look: of none, of every tenth, or of all."""

    change_of: Change = "tenth"
    failing: bool = False
    """Whether every second look finds all replicas failed that were ready."""
    looks: int = 0
    _texts: list[str] = field(default_factory=list)

    def state(self) -> str:
        if not self._texts:
            variants = 1 if self.change_of == "none" else _VARIANTS
            self._texts = [self._encoded(number, Phase.READY) for number in range(variants)]
            self._texts += [self._encoded(0, Phase.FAILED)]
        self.looks += 1
        place = -1 if self.failing and self.looks % 2 else self.looks % (len(self._texts) - 1)
        return self._texts[place].replace(_CLOCK, f"{self.clock():.3f}")

    def _encoded(self, variant: int, phase: Phase) -> str:
        replicas = []
        for number, seen in enumerate(self.replicas.values()):
            changes = self.change_of != "none" and number % _EVERY[self.change_of] == 0
            load = Load(float(variant if changes else 3), 1.0, 0.4 + 0.1 * variant * changes, 800.0 + variant * changes)
            shown = replace(seen, phase=phase, load=load, why="exited with status 1" if phase is Phase.FAILED else "")
            replicas.append({**asdict(shown), "heartbeat_at": "@clock"})
        progress = progress_to(self.evaluation) if self.evaluation else None
        return json.dumps({"clock": "@clock", "replicas": replicas, "evaluation": progress})


def large_cluster(replicas: int = 512, jobs: int = 64, change: Change = "tenth") -> LargeCluster:
    """A fleet whose replicas are all ready, in the middle of an evaluation, and a queue of so many jobs."""
    cluster = LargeCluster(fleet_config(replicas), FakeClock(runs=True), change_of=change)
    cluster.start_fleet()
    cluster.evaluation = replace(running_evaluation(cluster.clock()), updated_at=cluster.clock() + 86_400)
    more = range(600_000, 600_000 + jobs - len(cluster.jobs))
    cluster.jobs += tuple(
        Job(str(number), f"sweep-{number}", JobState.PENDING, "PENDING", reason="Priority", time_left_s=3600.0 + number)
        for number in more
    )
    return cluster


def fleet_config(replicas: int) -> Config:
    """Eight replicas on each node, looked at every second."""
    config = large_config(Path("/shared/runs"))
    experts = dict(list(config.experts.items())[: replicas // 8])
    poll = config.poll.model_copy(update={"run_s": 1.0})
    return config.model_copy(update={"experts": experts, "poll": poll})
