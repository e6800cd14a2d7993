"""Carries out a smoke test: a few small evaluations at once, each a driver of its own in a directory of its own.

Exactly the program is tried that will do the full run, and nothing of it can get among the full run's results.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tau2tui.config import Config, EvaluationConfig
from tau2tui.core.layout import EVAL_OUT, EVAL_REQUEST, EVAL_UNITS, REPLICAS, RUN_CONFIG, SMOKE, SMOKE_REPORT
from tau2tui.core.model import Phase
from tau2tui.core.smoke import Check, CheckResult, Leg, SmokeReport, fingerprint, report_from, report_to, smoke_legs
from tau2tui.core.smoke_checks import judge
from tau2tui.errors import CommandFailed
from tau2tui.evaluation.participants import FLEET_KEY_VARIABLE, NO_KEY
from tau2tui.evaluation.routing import FleetReader, Router, endpoint_of
from tau2tui.evaluation.windows import Windows
from tau2tui.files import write_atomically

Beat = Callable[[str], None]
"""Called every second or so with how far it is, in words."""

_TICK_S = 1.0
_WRITE_EVERY_S = 3.0
_END_S = 20.0
"""How long a driver that was told to stop may take."""


def passed_before(run_dir: Path, config: Config, evaluation: EvaluationConfig) -> bool:
    """Whether a smoke test of this run, with the same fleet and settings, was passed."""
    report = read_report(run_dir)
    return report is not None and report.passed and report.fingerprint == fingerprint(config, evaluation)


def read_report(run_dir: Path) -> SmokeReport | None:
    """The last report; None if there is none that can be read."""
    try:
        return report_from(json.loads((run_dir / SMOKE_REPORT).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def run_smoke(
    run_dir: Path,
    config: Config,
    evaluation: EvaluationConfig,
    *,
    request: str,
    environ: Mapping[str, str],
    stop: threading.Event,
    beat: Beat,
) -> SmokeReport:
    """Run the legs and judge what came of them; the report is in the run directory as well, from the start on.

    Raises CommandFailed when `stop` is set before the end, OSError.
    """
    now = time.time()
    start = SmokeReport(fingerprint(config, evaluation), request, "running", now, now)
    book = _Book(run_dir, start)

    def tell(words: str) -> None:
        book(words)
        beat(words)

    try:
        shutil.rmtree(run_dir / SMOKE, ignore_errors=True)
        legs = smoke_legs(config, evaluation)
        directories = {leg.name: _prepared(run_dir, leg) for leg in legs}
        windows = served_windows(run_dir, environ.get(FLEET_KEY_VARIABLE) or NO_KEY)
        with _drivers(directories.values()) as drivers:
            _wait(drivers, list(directories.values()), evaluation.smoke_timeout_s, stop, tell)
            ends = {name: driver.poll() for name, driver in zip(directories, drivers, strict=True)}
        units = {name: _units(directory) for name, directory in directories.items()}
        checks = (*judge(config, evaluation, units, windows), *_not_carried_out(ends, directories))
        return book.close(replace(start, state="finished", checks=checks))
    except BaseException as error:
        book.close(replace(start, state="failed", why=str(error) or type(error).__name__))
        raise


class _Book:
    """Keeps the report in the run directory current while the test goes on."""

    def __init__(self, run_dir: Path, report: SmokeReport) -> None:
        self._path = run_dir / SMOKE_REPORT
        self._report = report
        self._written_at = 0.0
        self("it begins")

    def __call__(self, words: str) -> None:
        if words != self._report.why or time.monotonic() - self._written_at >= _WRITE_EVERY_S:
            self.close(replace(self._report, why=words))

    def close(self, report: SmokeReport) -> SmokeReport:
        """Write this as the report of now."""
        self._report = replace(report, updated_at=time.time())
        write_atomically(self._path, json.dumps(report_to(self._report), indent=1), parents=True)
        self._written_at = time.monotonic()
        return self._report


def _prepared(run_dir: Path, leg: Leg) -> Path:
    """A directory with what a driver needs; its fleet is that of the run, as it changes."""
    directory = run_dir / SMOKE / leg.name
    directory.mkdir(parents=True)
    shutil.copy(run_dir / RUN_CONFIG, directory / RUN_CONFIG)
    (directory / REPLICAS).symlink_to((run_dir / REPLICAS).resolve(), target_is_directory=True)
    write_atomically(directory / EVAL_REQUEST, leg.evaluation.model_dump_json(indent=1), parents=True)
    return directory


@contextmanager
def _drivers(directories: Iterable[Path]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A driver in each directory; none is left when the block ends."""
    drivers: list[subprocess.Popen[bytes]] = []
    try:
        for directory in directories:
            with (directory / EVAL_OUT).open("wb") as output:
                argv = [sys.executable, "-m", "tau2tui.evaluation", str(directory)]
                drivers.append(
                    subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
                )
        yield drivers
    finally:
        for driver in drivers:
            driver.terminate()
        for driver in drivers:
            try:
                driver.wait(_END_S)
            except subprocess.TimeoutExpired:
                driver.kill()
                driver.wait()


def _wait(
    drivers: list[subprocess.Popen[bytes]],
    directories: list[Path],
    timeout_s: float,
    stop: threading.Event,
    beat: Beat,
) -> None:
    """Until every driver has ended, or the time is up: what has no result then is judged as that."""
    deadline = time.monotonic() + timeout_s
    while any(driver.poll() is None for driver in drivers) and time.monotonic() < deadline:
        running = sum(driver.poll() is None for driver in drivers)
        done = sum(len(_unit_files(directory)) for directory in directories)
        beat(f"{done} tasks done, {running} of {len(drivers)} parts go on")
        if stop.wait(_TICK_S):
            raise CommandFailed("the smoke test was stopped")


def _not_carried_out(ends: Mapping[str, int | None], directories: Mapping[str, Path]) -> Iterator[Check]:
    """A failed check for each leg whose driver did not come to an end of its own; `ends`: exit codes."""
    for name, end in ends.items():
        if end is None:
            yield Check("in time", name, CheckResult.FAILED, "it was not over when its time was up")
        elif end not in (0, CommandFailed.exit_code):
            said = (directories[name] / EVAL_OUT).read_text(errors="replace").strip().rpartition("\n")[2]
            yield Check("carried out", name, CheckResult.FAILED, said[:300] or f"exit code {end}")


def _unit_files(directory: Path) -> list[Path]:
    return sorted((directory / EVAL_UNITS).glob("*/*.json"))


def _units(directory: Path) -> list[Mapping[str, Any]]:
    return [json.loads(file.read_bytes()) for file in _unit_files(directory)]


def served_windows(run_dir: Path, api_key: str) -> dict[str, dict[str, int | None]]:
    """The context length that each ready replica serves, by expert; None where it does not say."""
    replicas = FleetReader(run_dir, Router({}), threading.Event()).read()
    windows: dict[str, dict[str, int | None]] = {}
    ask = Windows(api_key)
    for replica in replicas:
        if replica.phase in (Phase.READY, Phase.DEGRADED):
            windows.setdefault(replica.expert, {})[replica.name] = ask.of(endpoint_of(replica))
    return windows
