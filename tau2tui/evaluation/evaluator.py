"""tau2's evaluator in processes of its own: it is pure Python, and would take the time of the conversations."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, CancelledError, Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any, Self

from tau2.evaluator.evaluator import EvaluationType, evaluate_simulation

from tau2tui.evaluation.faults import Abandoned

_ATTEMPTS = 2
"""In processes, before the driver evaluates it itself."""
_MOST_BY_DEFAULT = 4

Evaluated = dict[str, Any]
"""tau2's SimulationRun with its reward, as JSON."""


def evaluated(domain: str, task: Any, simulation: Any) -> Evaluated:
    """Evaluate a conversation: a pure function of it and its task. Raises whatever tau2 may raise."""
    simulation.reward_info = evaluate_simulation(
        simulation=simulation, task=task, evaluation_type=EvaluationType.ALL, solo_mode=False, domain=domain
    )
    return dict(simulation.model_dump(mode="json"))


def processes_by_default() -> int:
    """Half of the cores that this process may use: the others hold the conversations."""
    return max(1, min(_MOST_BY_DEFAULT, len(os.sched_getaffinity(0)) // 2))


class Evaluator:
    """Evaluates conversations for any number of threads.

    The processes start when they are first needed, from a server process that loads tau2 once,
    and end with the driver, however that ends. A process that dies loses nothing: what it had is evaluated again.
    """

    def __init__(self, processes: int) -> None:
        """`processes`: at most so many; 0: everything is evaluated by the thread that asks."""
        self._processes = processes
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            workers = multiprocessing.active_children()
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.terminate()

    def prepare(self) -> None:
        """Let the first process load tau2 now, in time of its own, rather than when there is something to evaluate."""
        if self._processes:
            with contextlib.suppress(RuntimeError):
                self._current().submit(os.getpid)

    def evaluate(self, domain: str, task: Any, simulation: Any) -> Evaluated:
        """Evaluate in another process, or here if that fails. Raises Abandoned after the end, and whatever tau2 may."""
        for _ in range(_ATTEMPTS if self._processes else 0):
            pool = self._current()
            try:
                future: Future[Evaluated] = pool.submit(evaluated, domain, task, simulation)
            except RuntimeError:  # it broke, or was shut down, a moment ago
                self._replace(pool)
                continue
            try:
                return future.result()
            except (BrokenExecutor, CancelledError):
                self._replace(pool)
        return evaluated(domain, task, simulation)

    def _current(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._closed:
                raise Abandoned
            if self._pool is None:
                # Not forked from here: the fork of a process with threads may hang, and would hold the driver's lock.
                context = multiprocessing.get_context("forkserver")
                context.set_forkserver_preload([__name__])
                self._pool = ProcessPoolExecutor(self._processes, mp_context=context, initializer=_begin)
            return self._pool

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken:
                self._pool = None


def _begin() -> None:
    """Prepare a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c in the driver's terminal is for the driver
    gc.set_threshold(200_000, 20, 100)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    """A driver that is killed cannot end its workers, and they would wait for work for ever."""
    with contextlib.suppress(OSError):
        parent.join()
    os._exit(0)
