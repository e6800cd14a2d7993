"""The screens that have a number key: which there are, and how each is made."""

from __future__ import annotations

from collections.abc import Sequence

from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.report_files import DirectoryReports, RunReports
from tau2tui.tui.screens.evaluation import EvalScreen
from tau2tui.tui.screens.fleet import FleetScreen
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.screens.latency import LatencyScreen
from tau2tui.tui.screens.logs import LogsScreen
from tau2tui.tui.screens.reports import ReportsScreen
from tau2tui.tui.widgets.tab_line import View

FLEET = View("1", "fleet", "Fleet", needs_run=True, about="Every replica, what is wrong with it, what to do")
EVAL = View("4", "eval", "Eval", needs_run=True, about="Progress, time left, errors, simulations in flight")
LATENCY = View("5", "latency", "Latency", needs_run=False, about="How long calls take, by series")
LOGS = View("6", "logs", "Logs", needs_run=False, about="All logs, followed live")
REPORTS = View(
    "7", "reports", "Reports", needs_run=False, about="Reports of this run and earlier ones; two runs compared"
)
VIEWS = (FLEET, EVAL, LATENCY, LOGS, REPORTS)


def make_screens(ops: Ops | None, logs: LogFiles, title: str) -> dict[str, Framed]:
    """The screens by name, in the order of their keys; without a run only those that need none."""
    views: Sequence[View] = [view for view in VIEWS if ops is not None or not view.needs_run]
    screens: dict[str, Framed] = {}
    if ops is not None:
        screens[FLEET.name] = FleetScreen(FLEET, views, title, ops)
        screens[EVAL.name] = EvalScreen(EVAL, views, title, ops)
    screens[LATENCY.name] = LatencyScreen(LATENCY, views, title, ops, logs)
    screens[LOGS.name] = LogsScreen(LOGS, views, title, ops, logs)
    reports = RunReports(ops) if ops is not None else DirectoryReports(logs)
    screens[REPORTS.name] = ReportsScreen(REPORTS, views, title, ops, reports)
    return screens
