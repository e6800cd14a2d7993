"""The screens that have a number key: which there are, and how each is made when it is looked at first.

Their modules are loaded only then: those that nobody looks at cost the first frame nothing.
"""

from __future__ import annotations

import asyncio
from importlib import import_module

from tau2tui.config import DiagnosisConfig
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.screens.frame import Framed
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
_MODULES = {EVAL: "evaluation"}
"""Where a screen is defined, if not in the module of its own name."""


class Screens:
    """Those of one run, in the order of their keys; without a run only those that need none."""

    def __init__(self, ops: Ops | None, logs: LogFiles, title: str) -> None:
        self._ops, self._logs, self._title = ops, logs, title
        self.views = {view.name: view for view in VIEWS if ops is not None or not view.needs_run}
        self.made: dict[str, Framed] = {}
        """Those that were looked at."""

    def __contains__(self, name: object) -> bool:
        return name in self.views

    async def load(self, name: str) -> None:
        """Load what a screen is made of, in a thread: from a slow disk that can take seconds."""
        view = self.views[name]
        await asyncio.to_thread(import_module, f"tau2tui.tui.screens.{_MODULES.get(view, view.name)}")

    def make(self, name: str) -> Framed:
        """A screen that was not looked at yet."""
        view, views = self.views[name], tuple(self.views.values())
        self.made[name] = self._make_with(self._ops, view, views) or self._make_without(view, views)
        return self.made[name]

    def _make_with(self, ops: Ops | None, view: View, views: tuple[View, ...]) -> Framed | None:
        """A screen that shows a run; None for those that need none."""
        if ops is None:
            return None
        if view == FLEET:
            from tau2tui.tui.screens.fleet import FleetScreen

            return FleetScreen(view, views, self._title, ops)
        if view == JOBS:
            from tau2tui.tui.screens.jobs import JobsScreen

            return JobsScreen(view, views, self._title, ops)
        if view == GPUS:
            from tau2tui.tui.screens.gpus import GpusScreen

            return GpusScreen(view, views, self._title, ops)
        if view == EVAL:
            from tau2tui.tui.screens.evaluation import EvalScreen

            return EvalScreen(view, views, self._title, ops)
        if view == SOURCES:
            from tau2tui.tui.screens.sources import SourcesScreen

            return SourcesScreen(view, views, self._title, ops)
        return None

    def _make_without(self, view: View, views: tuple[View, ...]) -> Framed:
        """A screen that shows files, whether or not there is a run."""
        if view == LATENCY:
            from tau2tui.tui.screens.latency import LatencyScreen

            return LatencyScreen(view, views, self._title, self._ops, self._logs)
        if view == LOGS:
            from tau2tui.tui.log_findings import diagnosing
            from tau2tui.tui.screens.logs import LogsScreen

            settings = self._ops.config.diagnosis if self._ops is not None else DiagnosisConfig()
            return LogsScreen(view, views, self._title, self._ops, self._logs, diagnose=diagnosing(settings))
        from tau2tui.tui.report_files import DirectoryReports, RunReports
        from tau2tui.tui.screens.reports import ReportsScreen

        reports = RunReports(self._ops) if self._ops is not None else DirectoryReports(self._logs)
        return ReportsScreen(view, views, self._title, self._ops, reports)
