"""What a front end is told of the time left: earlier runs are read once, and estimates are made only when needed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tau2tui.core.layout import EVAL_STATE
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState
from tau2tui.core.wire import progress_to
from tau2tui.ops.earlier import MOST_RUNS, earlier_durations
from tau2tui.ops.sight import FORESEE_AGAIN_S
from tau2tui.remote.shell import LocalShell
from tests.sample import NOW
from tests.tui.fakes import RUN, FakeCluster, FakeShell, make_ops, running_evaluation, seed_config

DOMAINS = frozenset({"retail", "telecom", "airline"})


def state(*pairs: tuple[str, float]) -> EvalProgress:
    return EvalProgress(
        EvalState.FINISHED,
        started_at=NOW,
        updated_at=NOW,
        domains=(DomainProgress("retail", len(pairs), ok=len(pairs)),),
        durations_s=tuple(seconds for _, seconds in pairs),
        duration_domains=tuple(domain for domain, _ in pairs),
    )


def write_run(parent: Path, name: str, progress: EvalProgress | str) -> None:
    file = parent / name / EVAL_STATE
    file.parent.mkdir(parents=True)
    file.write_text(progress if isinstance(progress, str) else json.dumps(progress_to(progress)))


async def read_from(parent: Path, run: str = "20260103") -> tuple[tuple[str, float], ...]:
    return await earlier_durations(LocalShell(), PurePosixPath(str(parent / run)), DOMAINS)


async def test_the_runs_beside_this_one_say_how_long_units_of_the_same_domains_take(tmp_path: Path) -> None:
    write_run(tmp_path, "20260101", state(("retail", 10.0), ("mock", 1.0)))
    write_run(tmp_path, "20260102", state(("telecom", 20.0)))
    write_run(tmp_path, "20260103", state(("retail", 999.0)))
    assert await read_from(tmp_path) == (("retail", 10.0), ("telecom", 20.0))


async def test_only_the_newest_of_them_are_read(tmp_path: Path) -> None:
    for number in range(MOST_RUNS + 3):
        write_run(tmp_path, f"202501{number:02}", state(("retail", float(number + 1))))
    assert [seconds for _, seconds in await read_from(tmp_path)] == [4.0, 5.0, 6.0, 7.0, 8.0]


async def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    write_run(tmp_path, "20260101", "{torn")
    write_run(tmp_path, "20260102", '{"state": "running"}')
    write_run(tmp_path, "20260102b", replace(state(("retail", 10.0)), duration_domains=()))
    (tmp_path / "20260102c").mkdir()
    (tmp_path / "latest").write_text("20260102")
    assert await read_from(tmp_path) == ()
    assert await read_from(tmp_path / "nowhere") == ()


class Counting(FakeShell):
    """Knows of one earlier run, and counts how often it is asked for it."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(cluster)
        self.asked = 0

    async def names(self, directory: str) -> tuple[str, ...]:
        if directory != str(RUN.parent):
            return await super().names(directory)
        self.asked += 1
        return ("20251229-0900", RUN.name)


def cluster_with_an_earlier_run() -> FakeCluster:
    cluster = FakeCluster(seed_config())
    earlier = state(*[("retail", 1000.0)] * 60, *[("telecom", 1000.0)] * 60, *[("airline", 1000.0)] * 60)
    cluster.files[str(RUN.parent / "20251229-0900" / EVAL_STATE)] = json.dumps(progress_to(earlier)).encode()
    return cluster


async def test_before_anything_has_ended_the_earlier_run_gives_an_estimate_and_is_read_once() -> None:
    cluster = cluster_with_an_earlier_run()
    evaluation = running_evaluation()
    fresh = replace(evaluation, durations_s=(), duration_domains=(), domains=(DomainProgress("retail", 100),))
    cluster.evaluation = replace(fresh, running=())
    ops = make_ops(cluster)
    ops.shell = shell = Counting(cluster)
    for _ in range(3):
        await ops.look()
        await ops.foresee()
        cluster.evaluation = replace(cluster.evaluation, max_concurrency=cluster.evaluation.max_concurrency + 1)
    left = ops.snapshot.time_left
    assert left is not None and 3000 < left.middle_s < 40_000
    assert shell.asked == 1


async def test_while_nothing_changes_the_estimate_is_made_again_only_after_a_while() -> None:
    cluster = FakeCluster(seed_config(), evaluation=running_evaluation())
    ops = make_ops(cluster)
    await ops.look()
    await ops.foresee()
    first = ops.snapshot.time_left
    assert first is not None and cluster.evaluation is not None
    for later_s, same in ((FORESEE_AGAIN_S / 2, True), (FORESEE_AGAIN_S + 1, False)):
        cluster.clock.now = NOW + later_s
        cluster.evaluation = replace(cluster.evaluation, updated_at=NOW + 10 * later_s)
        await ops.look()
        await ops.foresee()
        assert (ops.snapshot.time_left is first) is same


async def test_a_run_that_is_paused_or_over_has_no_estimate() -> None:
    cluster = FakeCluster(seed_config(), evaluation=running_evaluation())
    ops = make_ops(cluster)
    await ops.look()
    await ops.foresee()
    assert ops.snapshot.time_left is not None and cluster.evaluation is not None
    cluster.evaluation = replace(cluster.evaluation, state=EvalState.FINISHED)
    await ops.look()
    await ops.foresee()
    assert ops.snapshot.time_left is None
