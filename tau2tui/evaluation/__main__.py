"""Starts the evaluation of a run directory: `python -m tau2tui.evaluation RUN_DIR`."""

from __future__ import annotations

import argparse
import fcntl
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from tau2tui.config import Config, EvaluationConfig, load_submitted
from tau2tui.core.layout import EVAL, EVAL_REQUEST, RUN_CONFIG
from tau2tui.core.model import EvalProgress, EvalState
from tau2tui.errors import CommandFailed, ConfigError, Refused, Tau2TuiError
from tau2tui.evaluation.control import RequestBox
from tau2tui.evaluation.progress import StateFile

LOCK = f"{EVAL}/driver.lock"
UNITS_FAILED = 4
"""Exit code: everything was run, but some units ended in infrastructure errors; a new start runs these again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run an evaluation in the foreground; the exit code (see `tau2tui.errors` for those of errors)."""
    parser = argparse.ArgumentParser(prog="python -m tau2tui.evaluation", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="the run directory, with run.toml and eval/request.json")
    run_dir: Path = parser.parse_args(argv).run_dir
    try:
        config = load_submitted(run_dir / RUN_CONFIG)
        evaluation = _request(run_dir)
        with _sole_driver(run_dir):
            progress = _evaluate(run_dir, config, evaluation)
    except Tau2TuiError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"error: {run_dir}: {error}\n")
        return Tau2TuiError.exit_code
    failed = progress.state is EvalState.FINISHED and any(domain.errors for domain in progress.domains)
    return UNITS_FAILED if failed else 0


def _evaluate(run_dir: Path, config: Config, evaluation: EvaluationConfig) -> EvalProgress:
    """Show that the run is being evaluated from the first moment on, then load tau2 and do it."""
    stop = _stop_on_signals()
    requests = RequestBox(run_dir)
    state = StateFile(run_dir)
    start = _starting(state.read(), evaluation)
    state.show(start)
    # The run makes few reference cycles and very many objects: by default the collector takes half of the CPU time.
    gc.set_threshold(200_000, 20, 100)
    try:
        from tau2tui.evaluation.driver import drive  # takes seconds: tau2 brings pandas and litellm

        return drive(
            run_dir, config, evaluation, start=start, requests=requests, state=state, stop=stop, environ=os.environ
        )
    except ModuleNotFoundError as error:
        state.fail(f"{error.name} is not installed")
        raise CommandFailed(f"{error.name} is not installed here", "pip install 'tau2tui[eval]'") from None
    except BaseException as error:
        state.fail(str(error) or type(error).__name__)
        raise


def _request(run_dir: Path) -> EvaluationConfig:
    """What is to be evaluated. Raises ConfigError."""
    path = run_dir / EVAL_REQUEST
    try:
        return EvaluationConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "it says what is to be evaluated") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {key}: {first['msg']}" if key else f"{path}: {first['msg']}") from None


@contextmanager
def _sole_driver(run_dir: Path) -> Iterator[None]:
    """Hold the run, so that no second driver runs its units. Raises Refused, naming the one who holds it."""
    path = run_dir / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Refused(f"{run_dir}: this run is being evaluated already, by {file.read().strip()}") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def _stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; a second one of them ends the process at once."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def _starting(before: EvalProgress | None, evaluation: EvaluationConfig) -> EvalProgress:
    """The first state: with the counts of an earlier driver, if there was one."""
    now = time.time()
    starting = EvalProgress(
        state=EvalState.STARTING,
        started_at=now,
        updated_at=now,
        max_concurrency=evaluation.max_concurrency,
        pid=os.getpid(),
        host=socket.gethostname(),
    )
    if before is None:
        return starting
    return replace(
        starting,
        domains=tuple(replace(domain, running=0) for domain in before.domains),
        durations_s=before.durations_s,
        errors=before.errors,
        errors_by_replica=before.errors_by_replica,
        calls=before.calls,
        retries=before.retries,
        cost_usd=before.cost_usd,
        tokens=before.tokens,
    )


if __name__ == "__main__":
    sys.exit(main())
