"""The smoke test as it is carried out: real drivers on the real tau2-bench, with practice servers for the models."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tau2tui.config import EvaluationConfig, load_submitted
from tau2tui.core.model import EvalState
from tau2tui.core.smoke import CheckResult, SmokeReport
from tau2tui.errors import CommandFailed
from tau2tui.evaluation.smoke import read_report, run_smoke, served_windows
from tests.evaluation.practice import PATIENCE_S, PracticeRun, practice_run, wait_until
from tests.sample import make_replica
from tests.test_config import SHIPPED


class ModelsServer(ThreadingHTTPServer):
    """Answers every GET with these model cards, and keeps the keys that it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Cards)
        self.cards: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()

    @property
    def port(self) -> int:
        return self.server_port


class _Cards(BaseHTTPRequestHandler):
    server: ModelsServer

    def do_GET(self) -> None:
        self.server.keys.add(self.headers["Authorization"])
        data = json.dumps({"data": self.server.cards}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def models() -> Iterator[ModelsServer]:
    with ModelsServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


MOCK_LEGS = {"experts", "always-expert-1", "always-expert-2"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[PracticeRun]:
    with practice_run(tmp_path) as run:
        yield run


def results(run: PracticeRun) -> dict[tuple[str, str], CheckResult]:
    report = read_report(run.directory)
    assert report is not None
    return {(check.check, check.subject): check.result for check in report.checks}


@pytest.mark.slow
def test_the_gate_lets_a_healthy_fleet_through_once_and_leaves_no_trace_in_the_results(run: PracticeRun) -> None:
    run.ask_for(domains=["mock", "retail"], num_tasks=1, smoke="always", smoke_tasks=1, max_concurrency=4)
    assert run.evaluate() == 0, run.output
    report = read_report(run.directory)
    assert report is not None
    assert report.passed, report.failed
    assert {leg.name for leg in (run.directory / "eval/smoke").iterdir()} == MOCK_LEGS
    assert set(results(run).values()) <= {CheckResult.PASSED, CheckResult.NOT_EXERCISED}
    assert results(run)["tool call parsed", "expert-2"] is CheckResult.PASSED

    assert [(key, unit["reward"]) for key, unit in run.units().items()] == [
        (("mock", "create_task_1", 0), 1.0), (("retail", "0", 0), 1.0),
    ]  # fmt: skip
    assert run.log().count("[TAU2_TASK_COMPLETE]") == 2
    assert "[DEBUG]" not in run.log("tau2_mock.log")
    driven = run.directory / "eval/smoke/always-expert-1/logs/tau2_mock.log"
    assert "answer of expert-1: " in driven.read_text() and "request to expert-1: " in driven.read_text()

    # The same fleet and settings again: what was passed is not repeated.
    run.ask_for(domains=["mock", "retail"], num_tasks=2, smoke="always", smoke_tasks=1, max_concurrency=4)
    assert run.evaluate() == 0, run.output
    assert read_report(run.directory) == report
    assert len(run.units()) == 4


@pytest.mark.slow
def test_the_gate_stops_an_evaluation_whose_expert_does_not_answer_and_names_it(run: PracticeRun) -> None:
    run.fault("expert-1-0", "500")
    run.ask_for(domains=["mock"], smoke="always", max_attempts=1)
    assert run.evaluate() == 4
    assert "the smoke test failed: answers, expert-1: no answer; server: " in run.output
    progress = run.progress()
    assert progress is not None
    assert progress.state is EvalState.FAILED
    assert "expert-1" in progress.why
    assert run.units() == {}
    assert results(run)["answers", "expert-1"] is CheckResult.FAILED
    assert results(run)["answers", "expert-2"] is CheckResult.PASSED


@pytest.mark.slow
def test_a_stop_ends_the_smoke_test_and_its_drivers(tmp_path: Path) -> None:
    with practice_run(tmp_path, speed=1) as run:
        run.ask_for(domains=["mock"], mode="solo", smoke="always")
        driver = run.start_driver()
        units = run.directory / "eval/smoke/solo/eval/state.json"
        wait_until(units.exists, "the smoke test goes on")
        assert not run.request("pause")["ok"]
        assert run.request("stop")["ok"]
        assert driver.wait(PATIENCE_S) == 4
        report = read_report(run.directory)
        assert report is not None
        assert (report.state, report.why) == ("failed", "the smoke test was stopped")


@pytest.mark.slow
def test_what_is_not_over_in_time_has_failed(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(SHIPPED.read_text())
    (tmp_path / "replicas").mkdir()
    report = smoke(PracticeRun(tmp_path, 1.0), mode="solo", smoke_timeout_s=0.5)
    assert not report.passed
    assert [check.subject for check in report.checks if check.check == "in time"] == ["solo"]


def smoke(run: PracticeRun, stop: threading.Event | None = None, **settings: Any) -> SmokeReport:
    return run_smoke(
        run.directory,
        load_submitted(run.directory / "run.toml"),
        EvaluationConfig.model_validate({"domains": ["mock"], **settings}),
        request="mine",
        environ={},
        stop=stop or threading.Event(),
        beat=lambda _: None,
    )


def test_a_stop_that_was_asked_for_before_is_heeded(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(SHIPPED.read_text())
    (tmp_path / "replicas").mkdir()
    stop = threading.Event()
    stop.set()
    with pytest.raises(CommandFailed, match="stopped"):
        smoke(PracticeRun(tmp_path, 1.0), stop)
    report = read_report(tmp_path)
    assert report is not None
    assert (report.request, report.state) == ("mine", "failed")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"checks": [{}]}'])
def test_a_report_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    assert read_report(tmp_path) is None
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/smoke.json").write_text(text)
    assert read_report(tmp_path) is None


def test_every_ready_replica_is_asked_for_its_window(tmp_path: Path, models: ModelsServer) -> None:
    (tmp_path / "replicas").mkdir()
    for name, phase in (("expert-1-0", "ready"), ("expert-1-1", "failed"), ("expert-2-0", "ready")):
        replica = {**asdict(make_replica(name, address="127.0.0.1", port=models.port)), "phase": phase}
        (tmp_path / "replicas" / f"{name}.json").write_text(json.dumps(replica))
    models.cards = [{"id": "m", "max_model_len": 4096}]
    assert served_windows(tmp_path, "sk-1") == {"expert-1": {"expert-1-0": 4096}, "expert-2": {"expert-2-0": 4096}}
    assert models.keys == {"Bearer sk-1"}
    for nothing in ([], [{"id": "m"}], [{"id": "m", "max_model_len": None}]):
        models.cards = nothing
        assert served_windows(tmp_path, "sk-1")["expert-1"] == {"expert-1-0": None}
