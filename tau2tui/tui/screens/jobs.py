"""2 Jobs: the run's jobs as the scheduler has them, why they wait, and how long they last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from tau2tui.core.command import Command, HandOver, RelaunchJob, Stop
from tau2tui.core.jobs import JobRow
from tau2tui.ops import Ops
from tau2tui.tui.actions import bindings
from tau2tui.tui.messages import Asked, DetailAsked, JumpAsked, LogAsked, Told
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.widgets.deadline_lines import DeadlineLines
from tau2tui.tui.widgets.job_table import JobTable, job_key
from tau2tui.tui.widgets.tab_line import View
from tau2tui.tui.windows import job_shell, node_shell


class JobsScreen(Framed):
    """The table of jobs, and above it those that end before the evaluation does."""

    BINDING_GROUP_TITLE = "Jobs"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Jobs")

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops) -> None:
        super().__init__(view, views, title, ops)
        self._ops: Ops = ops
        self._rows: dict[str, JobRow] = {}

    def compose_body(self) -> ComposeResult:
        yield DeadlineLines()
        yield JobTable()

    def show(self) -> None:
        rows = self._ops.job_rows()
        self._rows = {job_key(row): row for row in rows}
        jobs = self._ops.snapshot.jobs
        self.query_one(JobTable).show_jobs(
            rows, old=bool(jobs.error) and jobs.at is not None, news=self.changes_are_news()
        )
        self.query_one(DeadlineLines).deadlines = self._ops.deadlines()

    @on(JobTable.RowSelected)
    def action_detail(self) -> None:
        row = self._row
        if row is None:
            return
        replicas = [verdict for verdict in self._ops.verdicts() if verdict.job_name == row.name]
        facts = [
            ("name", row.name),
            ("state", row.state),
            ("reason", row.reason),
            ("nodes", row.nodes),
            ("output", row.log),
            *((verdict.wanted.name, f"{verdict.standing} {verdict.why}") for verdict in replicas),
        ]
        self.post_message(DetailAsked(f"job {row.id or row.name}", facts))

    def action_open_log(self) -> None:
        if self._row is not None and self._row.log:
            self.post_message(LogAsked(self._row.log))

    def action_relaunch(self) -> None:
        """Submit again; of several each is asked about, one after the other."""
        for row in self._chosen:
            self._ask(RelaunchJob(row.name))

    def action_stop(self) -> None:
        live = tuple(dict.fromkeys(row.name for row in self._chosen if row.live))
        if skipped := [row.name for row in self._chosen if not row.live]:
            self.post_message(Told(f"left out, there is nothing to stop: {', '.join(skipped)}"))
        if live:
            self._ask(Stop(jobs=live))

    def action_hand_over(self) -> None:
        for row in self._chosen:
            self._ask(HandOver(row.name, now=True))

    def action_node_shell(self) -> None:
        self.post_message(node_shell(self._ops.config.cluster, self._row.nodes if self._row else ""))

    def action_job_shell(self) -> None:
        self.post_message(job_shell(self._ops.config.cluster, self._row.id if self._row else ""))

    def action_jump(self) -> None:
        """To the GPUs of its node."""
        if self._row is not None and self._row.nodes:
            self.post_message(JumpAsked("gpus", filter=f"node={self._row.nodes}"))

    def action_replicas(self) -> None:
        """To its replicas."""
        if self._row is not None:
            self.post_message(JumpAsked("fleet", filter=f"job={self._row.id}" if self._row.id else ""))

    def _ask(self, command: Command) -> None:
        self.post_message(Asked(command))

    @property
    def _chosen(self) -> list[JobRow]:
        return [self._rows[key] for key in self.query_one(JobTable).chosen if key in self._rows]

    @property
    def _row(self) -> JobRow | None:
        key = self.query_one(JobTable).cursor_key
        return self._rows.get(key) if key else None
