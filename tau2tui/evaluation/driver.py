"""The evaluation driver: which units run, what is kept of them, and what the outside is told meanwhile."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tau2tui.config import Config, EvaluationConfig
from tau2tui.core.eta import seed_eta_s
from tau2tui.core.layout import RESULTS, RunLayout
from tau2tui.core.model import EvalProgress, EvalState, RunningUnit
from tau2tui.core.steady import steady_time
from tau2tui.evaluation.budget import budget_of, kept_costs
from tau2tui.evaluation.calls import Exchange, UnitCaller
from tau2tui.evaluation.client import ChatClient
from tau2tui.evaluation.control import Reply, Request, RequestBox
from tau2tui.evaluation.evaluator import Evaluator, evaluated, processes_by_default
from tau2tui.evaluation.faults import Abandoned, CallError
from tau2tui.evaluation.journal import Journal
from tau2tui.evaluation.openfiles import raise_limit
from tau2tui.evaluation.participants import Cast, api_keys, cast_of
from tau2tui.evaluation.progress import StateFile, Tally
from tau2tui.evaluation.results import Outcome, ResultsFile, finished_before, save
from tau2tui.evaluation.routing import FleetReader, Router
from tau2tui.evaluation.schedule import Schedule
from tau2tui.evaluation.simulation import converse
from tau2tui.evaluation.steering import Steering
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.units import Unit
from tau2tui.evaluation.watch import Watch
from tau2tui.evaluation.windows import Windows
from tau2tui.evaluation.workload import Workload, load_workload

_TICK_S = 0.5
_GRACE_S = 1.0
"""How long a stop waits for units that are just being finished."""
_EVALUATION_GRACE_S = 20.0
"""How long it waits for conversations that are over and only have to be evaluated: seconds of work, hours to repeat."""
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
    processes = evaluation.evaluator_processes
    with (
        Evaluator(processes_by_default() if processes is None else processes) as evaluator,
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
                run_dir / layout.outputs / name / RESULTS,
                *workload.description(name, cast, evaluation),
                order,
            )
            for name in workload.domains
        }
        tally = Tally(workload.totals, start)
        return Driver(run_dir, workload, cast, exchange, evaluator, journal, tally, results, requests, state).run()


class Driver:
    """Runs the units of a workload that have no result yet, and answers requests meanwhile."""

    def __init__(
        self,
        run_dir: Path,
        workload: Workload,
        cast: Cast,
        exchange: Exchange,
        evaluator: Evaluator,
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
        self._evaluator = evaluator
        self._journal = journal
        self._results = results
        self._requests = requests
        self._state_file = state
        self._stop = exchange.abandoned
        self._tally = tally
        evaluation = exchange.evaluation
        before = finished_before(run_dir, workload.units)
        for outcome in before:
            self._count(outcome)
        self._finished_before = len(before)
        tally.spent_at_least(*kept_costs(before, cast))
        finished = {outcome.unit for outcome in before}
        self._schedule = Schedule(
            [unit for unit in workload.units if unit not in finished],
            self._run_unit,
            evaluation.max_concurrency,
            one_domain_at_a_time=evaluation.schedule == "per-domain",
        )
        self._steering = Steering(
            self._schedule,
            budget_of(evaluation.budget, cast),
            self._stop,
            lambda: self._progress(EvalState.RUNNING),
            self._give_up,
        )
        self._watch = Watch(tally, journal, stall_s=evaluation.stall_s, unit_timeout_s=evaluation.unit_timeout_s)
        self._started = time.monotonic()
        self._ended_here = 0

    def run(self) -> EvalProgress:
        """Run to the end, or until a stop; the final counts. Raises OSError when results can not be kept."""
        self._announce()
        if any(self._workload.domains[unit.domain].costly for unit in self._schedule.waiting):
            self._evaluator.prepare()
        while not self._stop.is_set() and not self._schedule.done:
            self._requests.answer(self._decide)
            self._journal.heartbeat()
            if why := self._steering.keep_to_budget():
                self._journal.say(f"Paused: {why}; raise it: tau2tui eval --resume --budget-usd N (or --budget-tokens)")
            self._schedule.start_more()
            self._show(self._steering.state)
            for unit in self._watch.overdue():
                limit_s = self._exchange.evaluation.unit_timeout_s
                self._give_up(unit, "deadline", f"it took longer than {limit_s:.0f} s and waited for {unit.waits_for}")
            if outcome := self._schedule.next_ended(_TICK_S):
                self._settle(outcome)
        if self._stop.is_set():
            self._give_up_running()
        return self._close()

    def _decide(self, request: Request) -> Reply:
        """Do what is asked; the log tells what was done, so that a pause is not taken for a stall by its readers."""
        reply = self._steering.decide(request)
        if reply.ok:
            self._journal.say(f"Request {request.verb}: {reply.message}")
        return reply

    def _run_unit(self, unit: Unit, abandoned: threading.Event) -> Outcome:
        """Run one unit, in its own thread. Raises Abandoned."""
        began = steady_time()
        self._tally.started(unit)
        self._journal.say(f"{unit.name} starts", unit.domain)
        log = UnitLog(unit, self._journal, self._tally)
        domain = self._workload.domains[unit.domain]
        call = UnitCaller(self._exchange, log, abandoned)
        try:
            cast = self._exchange.latencies.informed(self._cast)
            simulation = converse(domain, cast, self._exchange.evaluation, call, log, abandoned)
            log.evaluating()
            self._schedule.conversed(unit)
            evaluate = self._evaluator.evaluate if domain.costly else evaluated
            result = evaluate(unit.domain, domain.tasks[unit.task_id], simulation)
            return Outcome(unit, *_from(began), result)
        except Abandoned:
            raise
        except CallError as error:
            return Outcome(unit, *_from(began), error_class=error.kind, error=error.message)
        except Exception as error:  # noqa: BLE001 - whatever tau2 raises in one unit must not end the others
            self._tally.failed(type(error).__name__, replica="", retried=False)
            self._journal.trace(unit.domain, traceback.format_exc())
            return Outcome(unit, *_from(began), error_class=type(error).__name__, error=str(error))
        finally:
            self._exchange.router.forget(unit.name)

    def _settle(self, outcome: Outcome) -> None:
        """Keep what came of a unit, then tell of it."""
        save(self._run_dir, outcome)
        self._count(outcome)
        self._ended_here += 1
        self._results[outcome.unit.domain].write()
        self._journal.outcome(outcome, self._tally.domain(outcome.unit.domain))
        progress = self._progress(self._steering.state)
        elapsed_s = time.monotonic() - self._started
        # What earlier drivers finished was no work of this one's time.
        total_here = self._ended_here + progress.total - progress.finished
        eta_s = seed_eta_s(self._ended_here, total_here, elapsed_s)
        self._journal.eta(progress.finished, progress.total, elapsed_s, eta_s)

    def _count(self, outcome: Outcome) -> None:
        self._tally.finished(outcome)
        self._results[outcome.unit.domain].add(outcome)

    def _give_up(self, running: RunningUnit, error_class: str, error: str) -> None:
        """Let go of a unit that runs, and record that no model failed in it."""
        if unit := self._schedule.give_up(running.name):
            self._settle(Outcome(unit, *_from(running.started_at), error_class=error_class, error=error))

    def _give_up_running(self) -> None:
        """Let go of what runs, but not of what is finished in this moment."""
        self._show(EvalState.STOPPING)
        self._schedule.give_up_all()
        self._exchange.router.close()
        began = time.monotonic()
        while self._schedule.running:
            grace_s = _EVALUATION_GRACE_S if self._schedule.evaluating else _GRACE_S
            if (left_s := began + grace_s - time.monotonic()) <= 0:
                break
            if outcome := self._schedule.next_ended(min(left_s, _GRACE_S)):
                self._settle(outcome)
        self._tally.abandoned()

    def _close(self) -> EvalProgress:
        stopped = bool(self._schedule.running or self._schedule.waiting)
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
        if warning := raise_limit(self._schedule.limit):
            self._journal.say(warning)

    def _show(self, state: EvalState) -> None:
        self._state_file.show(self._progress(state))

    def _progress(self, state: EvalState) -> EvalProgress:
        progress = self._tally.progress(state, self._schedule.limit)
        budget = self._steering.budget
        return replace(
            progress,
            why="" if self._schedule.finishing and state.over else self._steering.why,
            finished_before=self._finished_before,
            one_domain_at_a_time=self._exchange.evaluation.schedule == "per-domain",
            budget_usd=budget.usd,
            budget_tokens=budget.tokens,
            budget_counts=budget.counts,
        )


def _from(began: float) -> tuple[float, float]:
    """Begin and end of what ends now, by the clock of now: it lasted as long as it did, whatever was set meanwhile."""
    ended = time.time()
    return ended - (steady_time() - began), ended
