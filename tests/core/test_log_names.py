"""What the name of a log says."""

from __future__ import annotations

import pytest

from tau2tui.core.log_names import EVALUATION_LOG, JOB_OUTPUT, SERVER_LOG, domain_of, is_of_evaluation


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("fullrun.log", ""),
        ("tau2_retail.log", "retail"),
        ("eval_telecom.log.2.gz", "telecom"),
        ("tau2_my.own.log.zst", "my.own"),
        ("tau2_global.log", ""),
    ],
)
def test_logs_of_an_evaluation_may_name_a_domain(name: str, domain: str) -> None:
    assert EVALUATION_LOG.fullmatch(name) and is_of_evaluation(name)
    assert domain_of(name) == domain


@pytest.mark.parametrize("name", ["driver.out", "smoke.out"])
def test_what_a_driver_printed_is_of_the_evaluation_and_no_log_of_it(name: str) -> None:
    assert is_of_evaluation(name) and not EVALUATION_LOG.fullmatch(name)


@pytest.mark.parametrize("name", ["tau2_.log", "fullrun.txt", "mylog.log", "oss_eval_node1.out", "expert-1-0.1.log"])
def test_other_names_are_no_evaluation_s(name: str) -> None:
    assert not is_of_evaluation(name) and domain_of(name) == ""


def test_logs_of_servers_name_replica_and_attempt() -> None:
    found = SERVER_LOG.fullmatch("expert-1-0.12.log.gz")
    assert found and (found["replica"], found["attempt"]) == ("expert-1-0", "12")
    assert not SERVER_LOG.fullmatch("expert.1.log") and not SERVER_LOG.fullmatch("-1.1.log")


def test_outputs_of_jobs_name_job_and_stream() -> None:
    found = JOB_OUTPUT.fullmatch("oss_eval_node2.err")
    assert found and (found["job"], found["stream"]) == ("oss_eval_node2", "err")
