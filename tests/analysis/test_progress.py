"""Progress from logs alone: the logs are written from runs whose every start and end is known."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tau2tui.analysis.progress import durations_of, progress_of
from tau2tui.analysis.scan import find_logs
from tau2tui.core.forecast import Span
from tau2tui.errors import NothingToRead
from tests.bench.made_runs import MadeRun, make_run

START = datetime.fromisoformat("2025-12-30 17:00:00")
ETA = "\x1b[31m[OVERALL_ETA] done={}/{} elapsed=00:10 eta=01:40\x1b[0m"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def write_logs(directory: Path, run: MadeRun, *, profile: bool = True, scope: str = "domain") -> Path:
    """The logs of a run: markers without a time behind a line that has one, and an event every ten seconds."""
    directory.mkdir(exist_ok=True)
    totals = Counter(unit.domain for unit in run.units)
    full: list[tuple[float, str]] = [(0.0, f"[{START}] evaluation of tau2")]
    events: dict[str, list[tuple[float, str]]] = {domain: [] for domain in totals}
    done: Counter[str] = Counter()
    for number, unit in sorted(enumerate(run.units), key=lambda pair: pair[1].ended_s):
        done[unit.domain] += 1
        of = (done[unit.domain], totals[unit.domain]) if scope == "domain" else (done.total(), totals.total())
        marker = (
            f"[TAU2_TASK_COMPLETE] domain={unit.domain} trial=0 task_id=[x] {number} status=ok "
            f"completed_{scope}={of[0]} total_{scope}={of[1]}"
        )
        said = f"[{at(unit.ended_s):%Y-%m-%d %H:%M:%S}] [tau2/cli.py STDOUT] FINISHED SIMULATION"
        full.append((unit.ended_s, f"{said}\n{marker}\n{ETA.format(done.total(), totals.total())}"))
        seconds = unit.started_s
        while seconds < unit.ended_s:
            step_s = min(10.0, unit.ended_s - seconds)
            seconds += step_s
            stamp = f"{at(seconds):%Y-%m-%d %H:%M:%S}.{at(seconds).microsecond // 1000:03d}"
            line = (
                f"[PROFILE] {stamp} task=[x] {number} thread={number % 7} type=llm_call step=1 model=m "
                f"call_type=vllm duration_ms={1000 * step_s:.2f}"
            )
            events[unit.domain].append((seconds, line))
    files = {"fullrun.log": full, **({f"tau2_{d}.log": lines for d, lines in events.items()} if profile else {})}
    for name, lines in files.items():
        (directory / name).write_text("".join(f"{line}\n" for _, line in sorted(lines)))
    return directory


@pytest.mark.parametrize("kind", ["short, then long", "interleaved"])
@pytest.mark.parametrize("share", [0.15, 0.5, 0.85])
def test_counts_are_those_of_the_moment_and_the_truth_is_not_far(tmp_path: Path, kind: str, share: float) -> None:
    run = make_run(kind, 3)
    now_s = round(share * run.wall_s)
    found = progress_of(find_logs([write_logs(tmp_path, run)]), at(now_s))
    work = run.at(now_s)
    # Markers have the whole second of the line before them.
    assert abs(found.done - len(work.finished)) <= 1
    assert found.total == len(run.units)
    assert found.concurrency == run.concurrency
    assert abs(len(found.idle) - len(work.running)) <= 2
    assert not found.stalled
    by_domain = Counter(unit.domain for unit in run.units)
    assert all(one.total == by_domain[one.domain] for one in found.domains)
    assert found.left is not None and found.seed_eta_s == 100.0
    assert found.left.p10_s < found.left.p50_s < found.left.p90_s
    assert 0.5 * found.left.p10_s < run.wall_s - now_s < 2 * found.left.p90_s


def test_in_a_global_run_only_the_whole_has_a_total(tmp_path: Path) -> None:
    run = make_run("interleaved", 4)
    found = progress_of(find_logs([write_logs(tmp_path, run, scope="global")]), at(run.wall_s / 2))
    assert found.total == len(run.units) and found.left is not None
    assert [(one.total, one.left) for one in found.domains] == [(None, None)] * 3
    assert sum(one.done for one in found.domains) == found.done


def test_without_profile_lines_the_times_between_ends_say_how_fast_it_goes(tmp_path: Path) -> None:
    run = make_run("one domain", 5)
    found = progress_of(find_logs([write_logs(tmp_path, run, profile=False)]), at(run.wall_s / 2))
    assert found.left is not None
    assert found.left.p10_s * 0.5 < run.wall_s / 2 < found.left.p90_s * 2


def test_at_the_end_nothing_is_left(tmp_path: Path) -> None:
    run = make_run("short, then long", 6)
    found = progress_of(find_logs([write_logs(tmp_path, run)]))
    assert (found.done, found.left, found.stalled, found.idle) == (len(run.units), Span(0.0, 0.0, 0.0), False, ())
    assert all(one.left == Span(0.0, 0.0, 0.0) for one in found.domains)


def test_old_logs_are_read_as_of_their_last_line_and_silence_after_it_is_a_stall(tmp_path: Path) -> None:
    run = make_run("one domain", 7)
    logs = write_logs(tmp_path, run)
    cut_s = run.wall_s / 2
    for path in logs.iterdir():
        lines = path.read_text().splitlines(keepends=True)
        keep = [line for line in lines if ("] 2025" not in line and "[2025" not in line) or _time(line) <= at(cut_s)]
        last = next((n for n, line in enumerate(lines) if line not in keep), len(lines))
        path.write_text("".join(lines[:last]))
    found = progress_of(find_logs([logs]))
    assert not found.stalled and abs((found.at - at(cut_s)).total_seconds()) < 30
    later = progress_of(find_logs([logs]), at(cut_s + 50_000))
    assert later.stalled and all(one.stalled for one in later.domains)
    assert later.stalled_units == tuple(name for name, _ in later.idle) != ()
    assert [idle_s for _, idle_s in later.idle] == sorted((idle_s for _, idle_s in later.idle), reverse=True)


def _time(line: str) -> datetime:
    return datetime.fromisoformat(line.partition("20")[1] + line.partition("20")[2][:17])


def test_an_earlier_run_says_how_long_units_take_before_any_has_ended(tmp_path: Path) -> None:
    run = make_run("short, then long", 8)
    logs = find_logs([write_logs(tmp_path, run)])
    earlier = durations_of(logs)
    truth = sorted(unit.took_s for unit in run.units)
    assert sorted(seconds for _, seconds in earlier) == pytest.approx(truth, abs=1.1)
    ended_s = min(unit.ended_s for unit in run.units)
    first = progress_of(logs, at(ended_s + 2), earlier=earlier)
    assert first.left is not None and first.left.p10_s < run.wall_s < first.left.p90_s * 1.5


def test_logs_in_which_nothing_of_an_evaluation_stands_are_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("nothing\n")
    with pytest.raises(NothingToRead):
        progress_of(find_logs([tmp_path]))


def test_what_was_kept_of_the_logs_tells_the_same_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    logs = find_logs([write_logs(tmp_path / "logs", make_run("interleaved", 1))])
    afresh = progress_of(logs, at(400))
    assert progress_of(logs, at(400), use_cache=True) == progress_of(logs, at(400), use_cache=True) == afresh
