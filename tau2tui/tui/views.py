"""The screens that have a number key: which there are, and how each is made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tau2tui.config import DiagnosisConfig
from tau2tui.core.diagnosis import diagnose, table
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.report_files import DirectoryReports, RunReports
from tau2tui.tui.screens.evaluation import EvalScreen
from tau2tui.tui.screens.fleet import FleetScreen
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.screens.gpus import GpusScreen
from tau2tui.tui.screens.jobs import JobsScreen
from tau2tui.tui.screens.latency import LatencyScreen
from tau2tui.tui.screens.logs import LogsScreen
from tau2tui.tui.screens.reports import ReportsScreen
from tau2tui.tui.screens.sources import SourcesScreen
from tau2tui.tui.widgets.tab_line import View

FLEET = View("1", "fleet", "Fleet", needs_run=True, about="Every replica, what is wrong with it, what to do")
JOBS = View("2", "jobs", "Jobs", needs_run=True, about="The run's jobs, why they wait, how long they last")
GPUS = View("3", "gpus", "GPUs", needs_run=True, about="Who holds them, what is stale and why; the clean-up")
EVAL = View("4", "eval", "Eval", needs_run=True, about="Progress, time left, errors, simulations in flight")
LATENCY = View("5", "latency", "Latency", needs_run=False, about="How long calls take, by series")
LOGS = View("6", "logs", "Logs", needs_run=False, about="All logs, followed live")
REPORTS = View(
    "7", "reports", "Reports", needs_run=False, about="Reports of this run and earlier ones; two runs compared"
)
SOURCES = View("8", "sources", "Sources", needs_run=True, about="What is asked, at what cost, how old it is; commands")
VIEWS = (FLEET, JOBS, GPUS, EVAL, LATENCY, LOGS, REPORTS, SOURCES)


def make_screens(ops: Ops | None, logs: LogFiles, title: str) -> dict[str, Framed]:
    """The screens by name, in the order of their keys; without a run only those that need none."""
    views: Sequence[View] = [view for view in VIEWS if ops is not None or not view.needs_run]
    screens: dict[str, Framed] = {}
    if ops is not None:
        screens[FLEET.name] = FleetScreen(FLEET, views, title, ops)
        screens[JOBS.name] = JobsScreen(JOBS, views, title, ops)
        screens[GPUS.name] = GpusScreen(GPUS, views, title, ops)
        screens[EVAL.name] = EvalScreen(EVAL, views, title, ops)
    screens[LATENCY.name] = LatencyScreen(LATENCY, views, title, ops, logs)
    known = table(ops.config.diagnosis if ops is not None else DiagnosisConfig())
    screens[LOGS.name] = LogsScreen(LOGS, views, title, ops, logs, diagnose=partial(diagnose, known=known))
    reports = RunReports(ops) if ops is not None else DirectoryReports(logs)
    screens[REPORTS.name] = ReportsScreen(REPORTS, views, title, ops, reports)
    if ops is not None:
        screens[SOURCES.name] = SourcesScreen(SOURCES, views, title, ops)
    return screens
