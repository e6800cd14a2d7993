"""`tau2tui history` on a run whose servers and calls are known: each slow stretch is put down to its cause."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.made_samples import MadeServer
from tests.command_line import CommandLine

pytestmark = pytest.mark.slow

BEGIN = datetime.fromisoformat("2026-01-02 03:00:00")
SLOW_MINUTES = {3: "queue", 5: "KV full", 7: "client", 9: "cache lost"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Twelve minutes of two replicas; the first is slow in four of them, each for another reason."""
    servers = [MadeServer("expert-1-0"), MadeServer("expert-1-1")]
    calls = []
    for second in range(0, 720, 10):
        moment = BEGIN + timedelta(seconds=second)
        slow = SLOW_MINUTES.get(second // 60, "")
        first, other = servers
        first.waiting, first.kv_cache = (5.0, 0.97) if slow == "KV full" else (2.0 if slow == "queue" else 0.0, 0.4)
        took_s = 4.0 if slow and slow != "client" else 0.8
        hit_share = 0.05 if slow == "cache lost" else 0.6
        first.serve(took_s, took_s, queued_s=3.0 if slow == "queue" else 0.0, hit_share=hit_share)
        other.serve(0.8, 0.8)
        for server in servers:
            server.sample(moment.timestamp())
        for replica, client_s in (("expert-1-0", 4.2 if slow else 1.0), ("expert-1-1", 1.0)):
            ended = moment + timedelta(seconds=1)
            calls += [
                f"[PROFILE] {ended:%Y-%m-%d %H:%M:%S}.{n:03} task={second} thread={n} type=expert_call step=1 model=m "
                f"duration_ms={1000 * client_s:.2f} replica={replica}\n"
                for n in range(2)
            ]
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    (run / "replicas").mkdir()
    (run / "logs/tau2_retail.log").write_text("".join(calls))
    (run / "run.toml").write_text('[experts.agent]\nmodel = "m"\nrole = "agent"\n')
    for server in servers:
        server.write(run / "metrics")
        state = {"name": server.name, "expert": "expert-1", "model": "m", "phase": "ready", "port": 1}
        (run / f"replicas/{server.name}.json").write_text(json.dumps(state))
    return run


def asked(run: Path, *words: str, **expected: Any) -> str:
    return CommandLine(run / "config.toml", run).run("history", "--path", str(run), *words, **expected).stdout


def test_each_slow_minute_is_explained_by_what_made_it_slow(run: Path) -> None:
    report = json.loads(asked(run, "--json"))
    slow = {each["begin"][11:16]: (each["replica"], each["cause"]) for each in report["slow"]}
    assert slow == {f"03:{minute:02}": ("expert-1-0", cause) for minute, cause in SLOW_MINUTES.items()}
    row = report["replicas"]["expert-1-0"][5]
    assert row["kv_cache"] == 0.97 and row["at"] == "2026-01-02 03:05:00" and row["ttft_p50_s"] is None


def test_a_line_for_each_replica_with_its_figures(run: Path) -> None:
    lines = asked(run, "--metric", "kv_cache", "--ascii").splitlines()
    assert lines[0].endswith("(kv_cache), 2026-01-02 03:00 to 2026-01-02 03:11, every 0:01:00")
    assert lines[1] == "expert-1-0  =====@======  min 40%  max 97%  last 40%"
    assert lines[2].endswith("min 30%  max 30%  last 30%")
    assert any("KV full: KV cache up to 97%, 5 waited, 0 preemptions" in line for line in lines)


def test_windows_of_seconds_are_written_with_seconds(run: Path) -> None:
    lines = asked(run, "--every", "30s").splitlines()
    assert "2026-01-02 03:00:00 to 2026-01-02 03:11:30, every 0:00:30" in lines[0]
    assert any("01-02 03:05:30  expert-1-0  4.2 s a call" in line for line in lines)


def test_a_time_shows_every_figure_as_it_was(run: Path) -> None:
    line = asked(run, "expert-1-0", "--at", "03:05:33").splitlines()[1]
    assert line.startswith("expert-1-0") and "waiting 5  KV 97%" in line and "(3 s before)" in line
    told = json.loads(asked(run, "--at", "2026-01-02 03:05:33", "--json"))
    assert set(told["replicas"]) == {"expert-1-0", "expert-1-1"}
    assert told["replicas"]["expert-1-0"]["waiting"] == 5.0


def test_since_leaves_out_what_was_before(run: Path) -> None:
    report = json.loads(asked(run, "expert-1", "--since", "4m", "--json"))
    assert {each["cause"] for each in report["slow"]} <= {"cache lost", "client"}
    assert len(report["replicas"]["expert-1-0"]) == 5


def test_what_is_not_there_is_7_and_what_is_no_time_is_2(run: Path, tmp_path: Path) -> None:
    asked(run, "nobody-0", status=7)
    asked(run, "--since", "soon", status=2)
    asked(run, "--every", "0m", status=2)
    (tmp_path / "empty").mkdir()
    CommandLine(run / "config.toml", run).run("history", "--path", str(tmp_path / "empty"), status=7)
