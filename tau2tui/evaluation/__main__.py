"""Starts the evaluation of a run directory: `python -m tau2tui.evaluation RUN_DIR`."""

from __future__ import annotations

import argparse
import errno
import fcntl
import gc
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from tau2tui.config import Config, EvaluationConfig, load_submitted
from tau2tui.core.driver import DRIVER_TIMEOUT_S
from tau2tui.core.layout import EVAL, EVAL_REQUEST, EVAL_STATE, RUN_CONFIG, SMOKE_REPORT, SMOKE_REQUEST
from tau2tui.core.model import EvalProgress, EvalState
from tau2tui.core.smoke import is_gated
from tau2tui.errors import CommandFailed, ConfigError, Refused, Tau2TuiError
from tau2tui.evaluation.control import Reply, Request, RequestBox
from tau2tui.evaluation.progress import StateFile

LOCK = f"{EVAL}/driver.lock"
SMOKE_LOCK = f"{EVAL}/smoke.lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""A file system that does not lock says one of these; then the signs of life of the other driver have to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run an evaluation in the foreground; the exit code (see `tau2tui.errors` for those of errors)."""
    parser = argparse.ArgumentParser(prog="python -m tau2tui.evaluation", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="the run directory, with run.toml and eval/request.json")
    parser.add_argument(
        "--smoke", action="store_true", help="only the smoke test that eval/smoke-request.json asks for"
    )
    options = parser.parse_args(argv)
    run_dir: Path = options.run_dir
    try:
        config = load_submitted(run_dir / RUN_CONFIG)
        if options.smoke:
            return _smoke(run_dir, config)
        evaluation = _request(run_dir)
        taken = f"{run_dir}: this run is being evaluated already"
        with _sole(run_dir / LOCK, taken):
            refuse_beside_another(run_dir, taken)
            progress = _evaluate(run_dir, config, evaluation)
    except Tau2TuiError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"error: {run_dir}: {error}\n")
        return Tau2TuiError.exit_code
    failed = progress.state is EvalState.FINISHED and progress.lost > 0
    # Everything was run, but some units ended in infrastructure errors; a new start runs these again.
    return CommandFailed.exit_code if failed else 0


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
        _pass_gate(run_dir, config, evaluation, start, requests, state, stop)
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


def _smoke(run_dir: Path, config: Config) -> int:
    """Carry out the smoke test that was asked for; its verdict is in its report. Raises ConfigError, Refused."""
    from tau2tui.evaluation.smoke import run_smoke

    path = run_dir / SMOKE_REQUEST
    try:
        asked = json.loads(path.read_bytes())
        mark, evaluation = str(asked["request"]), EvaluationConfig.model_validate(asked["evaluation"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not a request for a smoke test: {type(error).__name__}") from None
    with _sole(run_dir / SMOKE_LOCK, f"{run_dir}: a smoke test of this run goes on already"):
        stop = _stop_on_signals()
        report = run_smoke(run_dir, config, evaluation, request=mark, environ=os.environ, stop=stop, beat=_print_line)
    return 0 if report.passed else CommandFailed.exit_code


def _print_line(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _pass_gate(
    run_dir: Path,
    config: Config,
    evaluation: EvaluationConfig,
    start: EvalProgress,
    requests: RequestBox,
    state: StateFile,
    stop: threading.Event,
) -> None:
    """Before a full evaluation: a smoke test, unless it is waived or was passed. Raises CommandFailed if it fails."""
    if not is_gated(evaluation):
        return
    from tau2tui.evaluation.smoke import passed_before, run_smoke

    def decide(request: Request) -> Reply:
        if request.verb == "stop":
            stop.set()
            return Reply(True, "stopping: the smoke test is given up")
        return Reply(False, "the smoke test goes on: it can only be stopped")

    def beat(words: str) -> None:
        requests.answer(decide)
        state.show(replace(start, updated_at=time.time(), why=f"smoke test: {words}"))

    if passed_before(run_dir, config, evaluation):
        return
    with _sole(run_dir / SMOKE_LOCK, f"{run_dir}: a smoke test of this run goes on already"):
        report = run_smoke(run_dir, config, evaluation, request="", environ=os.environ, stop=stop, beat=beat)
    if not report.passed:
        said = "; ".join(f"{check.check}, {check.subject}: {check.evidence}" for check in report.failed[:3])
        raise CommandFailed(f"the smoke test failed: {said}", f"see {SMOKE_REPORT}; tau2tui eval --no-smoke waives it")


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
def _sole(path: Path, taken: str) -> Iterator[None]:
    """Hold a lock, so that nobody else does the same. Raises Refused, with `taken` and who holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Refused(f"{taken}, by {file.read().strip()}") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def refuse_beside_another(run_dir: Path, taken: str) -> None:
    """Raise Refused if a driver on another machine shows signs of life: a lock may hold on one machine alone.

    Its age is between two times of the file system, so that clocks of machines are not compared.
    """
    state = StateFile(run_dir).read()
    if state is None or state.state.over or state.host == socket.gethostname():
        return
    path = run_dir / EVAL_STATE
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".clock-") as now:
        age_s = Path(now.name).stat().st_mtime - path.stat().st_mtime
    if age_s < DRIVER_TIMEOUT_S:
        raise Refused(
            f"{taken}, by process {state.pid} on {state.host}, {max(0.0, age_s):.0f} s ago",
            f"if that is dead: start again when it has been silent for {DRIVER_TIMEOUT_S:.0f} s",
        )


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
        errors_by_role=before.errors_by_role,
        calls=before.calls,
        retries=before.retries,
        cost_usd=before.cost_usd,
        tokens=before.tokens,
    )


if __name__ == "__main__":
    sys.exit(main())
