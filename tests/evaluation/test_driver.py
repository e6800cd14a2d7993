"""The whole evaluation as it is used: the real driver on the real tau2-bench, with practice servers for the models."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tau2tui.analysis.marks import read_marks
from tau2tui.core.model import EvalState
from tests.evaluation.practice import PATIENCE_S, PracticeRun, practice_run, wait_until

pytestmark = pytest.mark.slow

MOCK_TASKS = 9


@pytest.fixture
def run(tmp_path: Path) -> Iterator[PracticeRun]:
    """A fleet that answers at once."""
    with practice_run(tmp_path) as run:
        yield run


@pytest.fixture
def slow_run(tmp_path: Path) -> Iterator[PracticeRun]:
    """A fleet slow enough for something to happen meanwhile."""
    with practice_run(tmp_path, speed=40) as run:
        yield run


def test_every_mock_task_is_solved_and_everything_that_was_promised_is_written(run: PracticeRun) -> None:
    from tau2.data_model.simulation import Results
    from tau2.metrics.agent_metrics import compute_metrics

    run.ask_for(domains=["mock"], max_concurrency=4, trials=2)
    assert run.evaluate({"VLLM_API_KEY": "sk-of-the-fleet"}) == 0, run.output

    progress = run.progress()
    assert progress is not None
    assert progress.state is EvalState.FINISHED
    (mock,) = progress.domains
    assert (mock.total, mock.ok, mock.errors, mock.running, mock.passed) == (18, 18, 0, 0, 18)
    assert (len(progress.durations_s), progress.running, progress.errors) == (18, (), {})
    assert set(progress.calls) == {"orchestrator", "expert-1", "expert-2", "user"}

    units = run.units()
    assert len(units) == 18
    assert {unit["seed"] for unit in units.values()} == {626729, 373753}
    assert {unit["reward"] for unit in units.values()} == {1.0}

    results = Results.load(run.directory / "outputs/mock/results.json")
    assert len(results.simulations) == 18
    assert len(results.tasks) == MOCK_TASKS
    metrics = compute_metrics(results)
    assert metrics.pass_hat_ks == {1: 1.0, 2: 1.0}
    shown = viewed(run.directory / "outputs/mock/results.json")
    assert "create_task_1" in shown and "Important Meeting" in shown and "1.0000" in shown
    by_expert = [m for s in results.simulations for m in s.messages if m.role == "assistant" and m.raw_data]
    assert {m.raw_data["answered_by"] for m in by_expert} == {"orchestrator", "expert-1", "expert-2"}
    assert all(m.cost > 0 for m in by_expert)

    events = Counter(re.findall(r"type=(\w+)", run.log("tau2_mock.log")))
    assert events["llm_call"] == progress.calls["orchestrator"]
    assert events["expert_call"] == progress.calls["expert-1"] + progress.calls["expert-2"]
    assert events["user_sim"] == progress.calls["user"]
    tool_calls = [m for s in results.simulations for m in s.messages if m.role == "tool"]
    history = [t for t in results.tasks if t.initial_state and t.initial_state.message_history]
    replayed = sum(len([m for m in t.initial_state.message_history if m.role == "tool"]) for t in history)
    # Neither what tau2 sets up before the conversation nor the evaluator's replay counts as a tool call.
    assert events["tool_call"] == len(tool_calls) - 2 * replayed
    log = run.log()
    assert log.count("[TAU2_TASK_COMPLETE] domain=mock ") == 18
    assert "\x1b[31m[OVERALL_ETA] done=18/18 " in log
    assert "Global evaluation complete: ok=18 error=0 total=18 " in log
    assert all(line in run.output for line in log.splitlines())

    everything = b"".join(file.read_bytes() for file in run.directory.rglob("*") if file.is_file())
    assert b"sk-of-the-fleet" not in everything


def viewed(file: Path) -> str:
    """What tau2's own viewer shows of a results file: its list, its metrics, and the first simulation in detail."""
    program = (
        "import sys; from pathlib import Path\n"
        "from tau2.data_model.simulation import Results\n"
        "from tau2.metrics.agent_metrics import compute_metrics\n"
        "from tau2.scripts import view_simulations as viewer\n"
        "from tau2.utils.display import ConsoleDisplay, MarkdownDisplay\n"
        "results = Results.load(Path(sys.argv[1]))\n"
        "viewer.display_simulation_list(results)\n"
        "ConsoleDisplay.display_agent_metrics(compute_metrics(results))\n"
        "first = results.simulations[0]\n"
        "found = viewer.find_simulation_by_task_id_and_trial(results, first.task_id, first.trial)\n"
        "task = viewer.find_task_by_id(results.tasks, first.task_id)\n"
        "viewer.display_simulation_with_task(found, task, sys.argv[1], 0)\n"
        "print(MarkdownDisplay.display_simulation(first))\n"
    )
    # The viewer ends by asking for a note; an empty one is none.
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], input="\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tasks_of_all_domains_are_solved(run: PracticeRun) -> None:
    run.ask_for(domains=["retail", "telecom", "airline"], num_tasks=3, max_concurrency=6)
    assert run.evaluate() == 0, run.output
    progress = run.progress()
    assert progress is not None
    assert [(domain.domain, domain.total, domain.passed) for domain in progress.domains] == [
        ("retail", 3, 3), ("telecom", 3, 3), ("airline", 3, 3),
    ]  # fmt: skip


def test_named_tasks_without_streaming_and_without_experts(run: PracticeRun) -> None:
    run.ask_for(domains=["retail", "mock"], tasks={"retail": ["17"], "mock": []}, mode="solo", stream=False)
    assert run.evaluate() == 0, run.output
    assert [(key, unit["reward"]) for key, unit in run.units().items()] == [(("retail", "17", 0), 1.0)]
    progress = run.progress()
    assert progress is not None
    assert set(progress.calls) == {"orchestrator", "user"}
    assert "prefill_ms" not in run.log("tau2_retail.log")


def test_replicas_die_and_come_back_and_no_unit_is_lost(slow_run: PracticeRun) -> None:
    run = slow_run
    run.ask_for(domains=["mock"], max_concurrency=6, trials=4)
    driver = run.start_driver()
    run.wait_for(lambda progress: progress.finished >= 2, "the first units end")
    run.kill_replica("orchestrator-0")
    run.kill_replica("expert-1-0")
    run.wait_for(lambda progress: progress.errors.get("connection", 0) > 0, "the deaths are noticed")
    for name in ("orchestrator-0", "expert-1-0"):
        run.write_replica(name, "failed")
    run.start_replica("expert-1-0", attempt=2)
    assert driver.wait(PATIENCE_S) == 0, run.output
    assert len(run.units()) == 4 * MOCK_TASKS
    assert {unit["reward"] for unit in run.units().values()} == {1.0}
    progress = run.progress()
    assert progress is not None
    assert progress.retries > 0
    assert set(progress.errors_by_replica) <= {"orchestrator-0", "expert-1-0"}
    assert re.search(r"Retry \d/4 in \d+s\.\.\.", run.log())


def test_a_killed_driver_loses_only_what_was_in_flight(slow_run: PracticeRun) -> None:
    run = slow_run
    run.ask_for(domains=["mock"], max_concurrency=3, trials=2)
    driver = run.start_driver()
    run.wait_for(lambda progress: progress.finished >= 4, "the first units end")
    driver.kill()
    driver.wait()
    before = run.units()
    assert 4 <= len(before) < 18
    calls_before = sum((run.progress() or pytest.fail("no state")).calls.values())

    assert run.evaluate() == 0, run.output
    units = run.units()
    assert len(units) == 18
    assert {key: units[key]["simulation"]["id"] for key in before} == {
        key: unit["simulation"]["id"] for key, unit in before.items()
    }
    ids = [unit["simulation"]["id"] for unit in units.values()]
    data = json.loads((run.directory / "outputs/mock/results.json").read_text())
    assert sorted(simulation["id"] for simulation in data["simulations"]) == sorted(ids)
    progress = run.progress()
    assert progress is not None
    assert (progress.total, progress.finished, progress.domains[0].passed) == (18, 18, 18)
    assert len(progress.durations_s) == 18
    assert sum(progress.calls.values()) > calls_before
    assert f"18 units, {len(before)} of them finished before" in run.log()

    assert run.evaluate() == 0
    assert {unit["simulation"]["id"] for unit in run.units().values()} == set(ids)


def test_a_stop_ends_it_soon_even_if_a_call_hangs_and_the_rest_is_done_later(slow_run: PracticeRun) -> None:
    run = slow_run
    run.ask_for(domains=["mock"], max_concurrency=3, trials=3)
    driver = run.start_driver()
    run.wait_for(lambda progress: progress.finished >= 1, "the first unit ends")
    for name in ("orchestrator-0", "orchestrator-1"):
        run.fault(name, "hang")
    run.wait_for(lambda progress: [unit.doing for unit in progress.running] == ["orchestrator"] * 3, "every unit hangs")
    reply = run.request("stop")
    assert reply["ok"]
    assert "3 units are running" in reply["message"]
    assert driver.wait(20) == 0
    progress = run.progress()
    assert progress is not None
    assert progress.state is EvalState.STOPPED
    assert progress.finished_at is not None
    assert (progress.running, progress.domains[0].running) == ((), 0)
    assert 0 < progress.finished < progress.total == 3 * MOCK_TASKS
    assert "Global evaluation stopped: " in run.log()
    assert "Task failed" not in run.log()

    for name in ("orchestrator-0", "orchestrator-1"):
        run.fault(name, "none")
    assert run.evaluate() == 0, run.output
    assert len(run.units()) == 3 * MOCK_TASKS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_good_order(slow_run: PracticeRun, number: signal.Signals) -> None:
    run = slow_run
    run.ask_for(domains=["mock"], max_concurrency=2)
    driver = run.start_driver()
    run.wait_for(lambda progress: len(progress.running) == 2, "units run")
    driver.send_signal(number)
    assert driver.wait(20) == 0
    progress = run.progress()
    assert progress is not None
    assert progress.state is EvalState.STOPPED
    assert "Traceback" not in run.output


def test_it_can_be_paused_resumed_and_given_another_concurrency(slow_run: PracticeRun) -> None:
    run = slow_run
    run.ask_for(domains=["mock"], max_concurrency=1, trials=2)
    driver = run.start_driver()
    run.wait_for(lambda progress: progress.finished >= 1, "the first unit ends")
    assert run.request("pause")["ok"]
    paused = run.wait_for(
        lambda progress: progress.state is EvalState.PAUSED and not progress.running, "what ran comes to its end"
    )
    assert paused.finished < paused.total
    assert not run.request("concurrency", 0)["ok"]
    assert not run.request("concurrency", "many")["ok"]
    assert not run.request("dance")["ok"]
    assert run.request("concurrency", 5)["ok"]
    assert run.request("resume")["ok"]
    busy = run.wait_for(lambda progress: len(progress.running) == 5, "five units run")
    assert (busy.max_concurrency, busy.state) == (5, EvalState.RUNNING)
    assert driver.wait(PATIENCE_S) == 0
    assert len(run.units()) == 18
    marks = read_marks([run.directory / "logs" / "fullrun.log"])
    assert [end is not None for _, end in marks.pauses] == [True]
    assert [limit for _, limit in marks.limits] == [1, 5]


def test_a_unit_without_an_answer_is_an_infrastructure_error_and_is_run_again(run: PracticeRun) -> None:
    run.ask_for(domains=["mock"], max_concurrency=9, max_attempts=1)
    run.fault("player-0", "500")
    assert run.evaluate() == 4
    assert {(unit["status"], unit["reward"]) for unit in run.units().values()} == {("infra_error", None)}
    assert {unit["error"]["class"] for unit in run.units().values()} == {"server"}
    progress = run.progress()
    assert progress is not None
    assert (progress.domains[0].ok, progress.domains[0].errors) == (0, MOCK_TASKS)
    assert progress.errors == {"server": MOCK_TASKS}
    assert progress.errors_by_role == {"user": MOCK_TASKS}
    assert run.log().count("LLM call failed permanently") == MOCK_TASKS
    assert run.log().count("status=error") == MOCK_TASKS

    run.fault("player-0", "none")
    assert run.evaluate() == 0, run.output
    assert {unit["reward"] for unit in run.units().values()} == {1.0}


def test_a_second_driver_is_refused_and_the_first_goes_on(slow_run: PracticeRun) -> None:
    run = slow_run
    run.ask_for(domains=["mock"], max_concurrency=2)
    first = run.start_driver()
    wait_until(lambda: run.progress() is not None, "the first driver shows itself")
    assert run.evaluate() == 5
    assert f"already, by process {first.pid} on " in run.output
    assert first.wait(PATIENCE_S) == 0


def test_an_unknown_task_is_refused_and_the_state_says_so(run: PracticeRun) -> None:
    run.ask_for(domains=["mock"], tasks={"mock": ["create_task_99"]})
    assert run.evaluate() == 2
    assert "the domain has no task 'create_task_99'" in run.output
    progress = run.progress()
    assert progress is not None
    assert progress.state is EvalState.FAILED
    assert "create_task_99" in progress.why


def test_a_gentle_stop_lets_what_runs_come_to_its_end_and_the_rest_is_done_later(slow_run: PracticeRun) -> None:
    run = slow_run
    run.ask_for(domains=["mock"], max_concurrency=3, trials=2)
    driver = run.start_driver()
    running = run.wait_for(lambda progress: len(progress.running) == 3, "units run").running
    assert run.request("finish")["ok"]
    assert driver.wait(PATIENCE_S) == 0
    progress = run.progress()
    assert progress is not None
    assert (progress.state, progress.running) == (EvalState.STOPPED, ())
    assert progress.finished < progress.total
    assert {(unit.domain, unit.task_id, unit.trial) for unit in running} <= run.units().keys()
    assert run.evaluate() == 0, run.output
    assert len(run.units()) == 18


def test_a_stuck_unit_is_named_and_can_be_skipped_and_is_run_again(run: PracticeRun) -> None:
    for name in ("orchestrator-0", "orchestrator-1"):
        run.fault(name, "hang")
    run.ask_for(domains=["mock"], tasks={"mock": ["create_task_1", "update_task_1"]}, max_concurrency=2, stall_s=1)
    driver = run.start_driver()
    stalled = run.wait_for(
        lambda progress: len([unit for unit in progress.running if unit.stalled]) == 2, "both units stall"
    )
    name = "mock/create_task_1#0"
    assert name in {unit.name for unit in stalled.running}
    # On a busy machine a unit may have stalled before, at the user simulator.
    named = re.compile(rf"{name} stalled: no event for \d+ s, it waits for orchestrator at orchestrator-\d ")
    wait_until(lambda: named.search(run.log()) is not None, "the log names it")

    assert not run.request("skip")["ok"]
    assert "no unit mock/nothing#0" in run.request("skip", "mock/nothing#0")["message"]
    assert run.request("skip", name)["ok"]
    progress = run.wait_for(lambda progress: len(progress.running) == 1, "it is given up")
    assert progress.unit_errors == {"skipped": 1}
    unit = run.units()["mock", "create_task_1", 0]
    assert (unit["status"], unit["reward"], unit["error"]["class"]) == ("infra_error", None, "skipped")
    assert run.request("stop")["ok"]
    assert driver.wait(PATIENCE_S) == 0

    for name in ("orchestrator-0", "orchestrator-1"):
        run.fault(name, "none")
    assert run.evaluate() == 0, run.output
    assert {unit["reward"] for unit in run.units().values()} == {1.0}
    assert (run.progress() or pytest.fail("no state")).unit_errors == {}


def test_a_unit_that_takes_too_long_is_given_up_as_nobodys_failure(run: PracticeRun) -> None:
    for name in ("orchestrator-0", "orchestrator-1"):
        run.fault(name, "hang")
    run.ask_for(domains=["mock"], num_tasks=2, max_concurrency=2, unit_timeout_s=2)
    assert run.evaluate() == 4
    assert {unit["error"]["class"] for unit in run.units().values()} == {"deadline"}
    progress = run.progress()
    assert progress is not None
    assert (progress.state, progress.unit_errors) == (EvalState.FINISHED, {"deadline": 2})
    assert run.log().count("Task failed: mock/") == 2


def test_a_budget_pauses_the_run_until_it_is_raised_and_is_counted_over_drivers(slow_run: PracticeRun) -> None:
    run = slow_run
    run.ask_for(domains=["mock"], max_concurrency=2, trials=2, budget={"usd": 0.003, "counts": "all"})
    driver = run.start_driver()
    spent = run.wait_for(
        lambda progress: progress.state is EvalState.PAUSED and not progress.running, "the budget is spent"
    )
    assert 0 < spent.finished < 18
    assert spent.spent_usd >= 0.003
    assert "the budget of $0.00 is spent" in spent.why
    assert "the budget of" in run.request("resume")["message"]
    assert not run.request("budget_usd", -1)["ok"]
    assert not run.request("budget_tokens", "many")["ok"]
    assert run.request("stop")["ok"]
    assert driver.wait(PATIENCE_S) == 0

    # Another driver knows what was spent before it, even from the results alone.
    (run.directory / "eval/state.json").unlink()
    driver = run.start_driver()
    again = run.wait_for(lambda progress: progress.state is EvalState.PAUSED, "nothing starts")
    assert again.finished == spent.finished
    assert again.spent_usd == pytest.approx(spent.spent_usd)
    assert run.request("budget_usd", 1000)["ok"]
    assert run.request("resume")["ok"]
    assert driver.wait(PATIENCE_S) == 0
    assert len(run.units()) == 18
    assert {unit["reward"] for unit in run.units().values()} == {1.0}


def test_failures_of_the_models_are_kept_and_visible(run: PracticeRun) -> None:
    run.ask_for(domains=["mock"], num_tasks=3, max_concurrency=3, max_steps=2)
    assert run.evaluate() == 0, run.output
    progress = run.progress()
    assert progress is not None
    assert (progress.domains[0].ok, progress.domains[0].passed, progress.unit_errors) == (3, 0, {})
    assert progress.terminations == {"max_steps": 3}
    before = {key: unit["simulation"]["id"] for key, unit in run.units().items()}
    assert run.evaluate() == 0, run.output
    assert {key: unit["simulation"]["id"] for key, unit in run.units().items()} == before


def test_one_domain_is_over_before_the_next_begins_unless_they_are_mixed(run: PracticeRun) -> None:
    wanted = {"domains": ["mock", "telecom"], "num_tasks": 4, "max_concurrency": 3}
    run.ask_for(**wanted)
    assert run.evaluate() == 0, run.output
    starts = re.findall(r"\] (\w+)/\S+ starts", run.log())
    assert starts == ["mock"] * 4 + ["telecom"] * 4
    ends = run.log().partition("] telecom/")[0].count("[TAU2_TASK_COMPLETE] domain=mock")
    assert ends == 4
    run.ask_for(**wanted, schedule="global", seed=1)
    assert run.evaluate() == 0, run.output
    assert re.findall(r"\] (\w+)/\S+ starts", run.log())[8:] == ["mock", "telecom"] * 4
