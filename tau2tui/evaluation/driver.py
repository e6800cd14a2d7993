"""The evaluation driver: which units run, what is kept of them, and what the outside is told meanwhile."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from tau2tui.config import Config, EvaluationConfig
from tau2tui.core.eta import seed_eta_s
from tau2tui.core.layout import RunLayout
from tau2tui.core.model import EvalProgress, EvalState
from tau2tui.evaluation.calls import Exchange, UnitCaller
from tau2tui.evaluation.client import ChatClient
from tau2tui.evaluation.control import Reply, Request, RequestBox
from tau2tui.evaluation.faults import Abandoned, CallError
from tau2tui.evaluation.journal import Journal
from tau2tui.evaluation.participants import Cast, api_keys, cast_of
from tau2tui.evaluation.progress import StateFile, Tally
from tau2tui.evaluation.results import Outcome, ResultsFile, finished_before, save
from tau2tui.evaluation.routing import FleetReader, Router
from tau2tui.evaluation.schedule import Schedule
from tau2tui.evaluation.simulation import simulate
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.units import Unit
from tau2tui.evaluation.windows import Windows
from tau2tui.evaluation.workload import Workload, load_workload

_TICK_S = 0.5
_GRACE_S = 1.0
"""How long a stop waits for units that are just being finished."""
_MOST_UNITS_AT_ONCE = 512
_STDOUT = 1


def drive(
    run_dir: Path,
    config: Config,
    evaluation: EvaluationConfig,
    *,
    start: EvalProgress,
    requests: RequestBox,
    state: StateFile,
    stop: threading.Event,
    environ: Mapping[str, str],
) -> EvalProgress:
    """Run what has no result yet, until it has ended or `stop` is set; the final counts.

    `start` is the state that was shown first; `environ` holds the API keys. Raises ConfigError for a task, an expert or
    a key that does not exist, and OSError.
    """
    cast = cast_of(config, evaluation)
    fleet_key, outside_key = api_keys(cast, evaluation, environ)
    workload = load_workload(evaluation)
    router = Router({name: expert.max_concurrency for name, expert in config.experts.items()})
    layout = RunLayout(config.run.logs, config.run.outputs)
    with (
        Journal(run_dir, layout, tuple(workload.domains), echo=_STDOUT, level=evaluation.log_level) as journal,
        ChatClient(fleet_key, stream=evaluation.stream, abandoned=stop) as fleet,
        # Not streamed: its phases are nobody's concern, and OpenAI refuses to stream some models to some customers.
        ChatClient(outside_key, stream=False, abandoned=stop) as outside,
    ):
        windows = Windows(fleet_key)
        exchange = Exchange(evaluation, router, fleet, outside, config.serve.engine == "rehearsal", stop, windows)
        exchange.latencies.read_logs(run_dir / layout.profile_log(name) for name in workload.domains)
        router.listen(journal.say)
        FleetReader(run_dir, router, stop).start()
        order = {unit: place for place, unit in enumerate(workload.units)}
        results = {
            name: ResultsFile(
                run_dir / layout.outputs / name / "results.json",
                *workload.description(name, cast, evaluation),
                order,
            )
            for name in workload.domains
        }
        tally = Tally(workload.totals, start)
        return Driver(run_dir, workload, cast, exchange, journal, tally, results, requests, state).run()


class Driver:
    """Runs the units of a workload that have no result yet, and answers requests meanwhile."""

    def __init__(
        self,
        run_dir: Path,
        workload: Workload,
        cast: Cast,
        exchange: Exchange,
        journal: Journal,
        tally: Tally,
        results: Mapping[str, ResultsFile],
        requests: RequestBox,
        state: StateFile,
    ) -> None:
        self._run_dir = run_dir
        self._workload = workload
        self._cast = cast
        self._exchange = exchange
        self._journal = journal
        self._results = results
        self._requests = requests
        self._state_file = state
        self._stop = exchange.abandoned
        self._tally = tally
        before = finished_before(run_dir, workload.units)
        for outcome in before:
            self._count(outcome)
        finished = {outcome.unit for outcome in before}
        waiting = [unit for unit in workload.units if unit not in finished]
        self._schedule = Schedule(waiting, self._run_unit, exchange.evaluation.max_concurrency)
        self._started = time.monotonic()
        self._ended_here = 0

    def run(self) -> EvalProgress:
        """Run to the end, or until a stop; the final counts. Raises OSError when results can not be kept."""
        self._announce()
        while not self._stop.is_set() and not self._schedule.done:
            self._requests.answer(self._decide)
            self._journal.heartbeat()
            self._schedule.start_more()
            self._show(EvalState.PAUSED if self._schedule.paused else EvalState.RUNNING)
            if outcome := self._schedule.next_ended(_TICK_S):
                self._settle(outcome)
        if self._stop.is_set():
            self._give_up_running()
        return self._close()

    def _run_unit(self, unit: Unit) -> Outcome:
        """Run one unit, in its own thread. Raises Abandoned."""
        started_at = time.time()
        self._tally.started(unit)
        self._journal.say(f"{unit.name} starts", unit.domain)
        log = UnitLog(unit, self._journal, self._tally)
        domain = self._workload.domains[unit.domain]
        call = UnitCaller(self._exchange, log)
        try:
            cast = self._exchange.latencies.informed(self._cast)
            simulation = simulate(domain, cast, self._exchange.evaluation, call, log, self._stop)
            return Outcome(unit, started_at, time.time(), simulation.model_dump(mode="json"))
        except Abandoned:
            raise
        except CallError as error:
            return Outcome(unit, started_at, time.time(), error_class=error.kind, error=error.message)
        except Exception as error:  # noqa: BLE001 - whatever tau2 raises in one unit must not end the others
            self._tally.failed(type(error).__name__, replica="", retried=False)
            self._journal.trace(unit.domain, traceback.format_exc())
            return Outcome(unit, started_at, time.time(), error_class=type(error).__name__, error=str(error))
        finally:
            self._exchange.router.forget(unit.name)

    def _settle(self, outcome: Outcome) -> None:
        """Keep what came of a unit, then tell of it."""
        save(self._run_dir, outcome)
        self._count(outcome)
        self._ended_here += 1
        self._results[outcome.unit.domain].write()
        self._journal.outcome(outcome, self._tally.domain(outcome.unit.domain))
        progress = self._progress(EvalState.RUNNING)
        elapsed_s = time.monotonic() - self._started
        # What earlier drivers finished was no work of this one's time.
        total_here = self._ended_here + progress.total - progress.finished
        eta_s = seed_eta_s(self._ended_here, total_here, elapsed_s)
        self._journal.eta(progress.finished, progress.total, elapsed_s, eta_s)

    def _count(self, outcome: Outcome) -> None:
        self._tally.finished(outcome.unit, outcome.reward, outcome.finished_at - outcome.started_at)
        self._results[outcome.unit.domain].add(outcome)

    def _decide(self, request: Request) -> Reply:
        """Do what is asked, if it can be done."""
        running = f"{self._schedule.running} units are running"
        match request:
            case Request("pause"):
                self._schedule.paused = True
                return Reply(True, f"paused: no new units start, {running} to their end")
            case Request("resume"):
                self._schedule.paused = False
                return Reply(True, "resumed")
            case Request("stop"):
                self._stop.set()
                return Reply(True, f"stopping: {running} and are given up")
            case Request("concurrency", int(limit)) if limit is not True and 1 <= limit <= _MOST_UNITS_AT_ONCE:
                self._schedule.limit = limit
                return Reply(True, f"at most {limit} units at once, {running}")
            case Request("concurrency"):
                return Reply(False, f"concurrency is a whole number from 1 to {_MOST_UNITS_AT_ONCE}")
        return Reply(False, "unknown: the evaluation takes pause, resume, stop and concurrency")

    def _give_up_running(self) -> None:
        """Let go of what runs, but not of what is finished in this moment."""
        self._show(EvalState.STOPPING)
        self._exchange.router.close()
        until = time.monotonic() + _GRACE_S
        while self._schedule.running and (left_s := until - time.monotonic()) > 0:
            if outcome := self._schedule.next_ended(left_s):
                self._settle(outcome)
        self._tally.abandoned()

    def _close(self) -> EvalProgress:
        stopped = self._stop.is_set() and not self._schedule.done
        for results in self._results.values():
            results.write(now=True)
        state = EvalState.STOPPED if stopped else EvalState.FINISHED
        progress = self._progress(state)
        self._journal.summary(progress, time.monotonic() - self._started, self._ended_here)
        self._state_file.show(progress)
        self._requests.refuse(f"the evaluation is over: it {state}")
        self._stop.set()  # the fleet is not followed any longer
        return progress

    def _announce(self) -> None:
        progress = self._progress(EvalState.RUNNING)
        self._journal.say(
            f"Evaluation starts: {progress.total} units, {progress.finished} of them finished before, "
            f"at most {self._schedule.limit} at once"
        )

    def _show(self, state: EvalState) -> None:
        self._state_file.show(self._progress(state))

    def _progress(self, state: EvalState) -> EvalProgress:
        return self._tally.progress(state, self._schedule.limit)
