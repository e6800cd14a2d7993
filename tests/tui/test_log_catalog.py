"""Logs are told by their names, and listed in an order that an operator looks for."""

from __future__ import annotations

from tau2tui.remote.loglist import LogEntry
from tau2tui.tui.log_catalog import Kind, catalog, know, neighbour, other_stream

NAMES = (
    "jobs/oss_eval_node10.err", "jobs/oss_eval_node10.out", "jobs/oss_eval_node2.out", "logs/expert-1-0.1.log",
    "logs/expert-1-0.2.log", "logs/expert-1-10.1.log", "logs/expert-1-2.1.log", "logs/orchestrator-0.1.log",
    "logs/fullrun.log", "logs/eval_retail.log", "logs/tau2_retail.log", "eval/driver.out", "notes.txt",
)  # fmt: skip
LOGS = catalog(map(LogEntry, NAMES))


def test_evaluation_first_then_replicas_with_the_newest_attempt_first_then_jobs() -> None:
    assert [log.file for log in LOGS] == [
        "fullrun.log", "driver.out", "eval_retail.log", "tau2_retail.log", "expert-1-0.2.log", "expert-1-0.1.log",
        "expert-1-2.1.log", "expert-1-10.1.log", "orchestrator-0.1.log", "oss_eval_node2.out", "oss_eval_node10.err",
        "oss_eval_node10.out", "notes.txt",
    ]  # fmt: skip


def test_a_name_says_who_writes_the_log() -> None:
    server = know(LogEntry("logs/expert-1-0.12.log"))
    assert (server.kind, server.replica, server.attempt) == (Kind.SERVER, "expert-1-0", 12)
    job = know(LogEntry("jobs/oss_eval_node1.err"))
    assert (job.kind, job.job, job.stream) == (Kind.JOB, "oss_eval_node1", "err")
    assert know(LogEntry("eval/driver.out")).kind is Kind.EVALUATION
    assert know(LogEntry("somebody/else.txt")).file == "somebody/else.txt"


def test_the_neighbours_of_a_log_are_those_of_its_expert_or_stream() -> None:
    assert neighbour(LOGS, "logs/expert-1-0.1.log", 1) == "logs/expert-1-2.1.log"
    assert neighbour(LOGS, "logs/expert-1-0.2.log", -1) == "logs/expert-1-10.1.log"
    assert neighbour(LOGS, "logs/orchestrator-0.1.log", 1) is None
    assert neighbour(LOGS, "jobs/oss_eval_node2.out", 1) == "jobs/oss_eval_node10.out"
    assert neighbour(LOGS, "not/there.log", 1) is None


def test_a_job_has_two_streams() -> None:
    assert other_stream(LOGS, "jobs/oss_eval_node10.out") == "jobs/oss_eval_node10.err"
    assert other_stream(LOGS, "jobs/oss_eval_node10.err") == "jobs/oss_eval_node10.out"
    assert other_stream(LOGS, "jobs/oss_eval_node2.out") is None
    assert other_stream(LOGS, "logs/fullrun.log") is None
