"""squeue's output, as SLURM 22.05 prints it in our format, and what it must never be taken for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tau2tui.core.model import JobState
from tau2tui.core.reasons import explain
from tau2tui.core.step import Follow, Submission
from tau2tui.errors import CommandFailed, Unanswered, Unreachable
from tau2tui.remote.shell import Completed, LocalShell
from tau2tui.remote.slurm import Slurm, parse_accounting, parse_queue


def line(*fields: str) -> str:
    return "\x1f".join(fields)


class Saying(LocalShell):
    """A machine on which every command ends in the same way."""

    def __init__(self, status: int, stdout: str = "", stderr: str = "") -> None:
        self.answer = (status, stdout, stderr)

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        return Completed(tuple(argv), *self.answer)


RUNNING = line("12", "RUNNING", "1-02:03:04", "node1", "tau2tui one", "None", "oss_eval_node1")


def test_a_running_job_has_its_node_and_the_time_that_is_left() -> None:
    (job,) = parse_queue(RUNNING + "\n")
    assert (job.id, job.state, job.nodes, job.name) == ("12", JobState.RUNNING, "node1", "oss_eval_node1")
    assert job.time_left_s == 93784.0 and job.reason == ""


def test_a_reason_with_blanks_and_commas_stays_whole() -> None:
    reason = "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
    (job,) = parse_queue(line("3", "PENDING", "1:00", "", "", reason, "x"))
    assert job.state is JobState.PENDING and job.reason == reason


def test_a_name_with_bars_quotes_and_emoji_is_only_a_name() -> None:
    (job,) = parse_queue(line("3", "RUNNING", "1:00", "n", "", "None", 'a|b "c" 🚀 $(rm -rf ~)'))
    assert job.name == 'a|b "c" 🚀 $(rm -rf ~)'


def test_a_state_that_is_not_known_is_unknown_and_not_ended() -> None:
    (job,) = parse_queue(line("3", "QUANTUM", "1:00", "n", "", "None", "x"))
    assert job.state is JobState.UNKNOWN and job.raw_state == "QUANTUM"


def test_jobs_are_ordered_by_number() -> None:
    text = "\n".join(line(job_id, "RUNNING", "1:00", "n", "", "None", "x") for job_id in ("10", "9", "11_2"))
    assert [job.id for job in parse_queue(text)] == ["9", "10", "11_2"]


@given(st.text())
def test_garbage_is_no_job_and_no_crash(text: str) -> None:
    for job in parse_queue(text):
        assert isinstance(job.state, JobState)


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f\n"), max_size=8)
"""What a job's name, comment or reason may hold; our separator is a control character that none of them keeps."""
ROW = st.tuples(
    st.from_regex(r"[1-9][0-9]{0,8}", fullmatch=True),
    st.sampled_from(("RUNNING", "PENDING", "COMPLETED", "NODE_FAIL", "QUANTUM")),
    st.sampled_from(("1:00", "1-00:00:00", "UNLIMITED", "INVALID", "")),
    FIELD,
    FIELD,
    FIELD,
    FIELD,
)


@given(st.lists(ROW, max_size=6, unique_by=lambda row: row[0]), st.lists(FIELD, max_size=3), st.randoms())
def test_every_row_comes_back_as_it_was_whatever_stands_between(
    rows: list[tuple[str, ...]], noise: list[str], order: Random
) -> None:
    lines = [line(*row) for row in rows] + noise
    order.shuffle(lines)
    jobs = parse_queue("\n".join(lines) + "\n")
    rows.sort(key=lambda row: int(row[0]))
    assert [(job.id, job.raw_state) for job in jobs] == [row[:2] for row in rows]
    for job, (_, word, left, nodes, comment, reason, name) in zip(jobs, rows, strict=True):
        assert (job.nodes, job.comment, job.name) == (nodes.strip(), comment.strip(), name.strip())
        assert job.reason == ("" if reason.strip() == "None" else reason.strip())
        assert (job.time_left_s is not None) == (word == "RUNNING" and left in ("1:00", "1-00:00:00"))


@given(st.lists(st.text(alphabet="0123456789²٣_-:+|, RUNING\x1f\n%\x00é", max_size=30), min_size=7, max_size=7))
@example(["²", "RUNNING", "²:00", "", "", "", ""])
@example(["9" * 5000, "RUNNING", f"{'9' * 5000}:00", "", "", "", ""])
def test_no_field_of_any_text_is_a_crash(fields: list[str]) -> None:
    for job in (*parse_queue(line(*fields)), *parse_accounting("|".join(fields))):
        assert isinstance(job.state, JobState)


async def test_only_the_jobs_of_the_run_are_seen() -> None:
    other = RUNNING.replace("tau2tui one", "tau2tui two").replace("12", "13", 1)
    jobs = await Slurm().jobs(Saying(0, f"{RUNNING}\n{other}\n"), "one", frozenset())
    assert [job.id for job in jobs] == ["12"]


@pytest.mark.parametrize(
    ("stderr", "error"),
    [
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", Unreachable),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", Unreachable),
        ("squeue: error: Invalid user: nosuch", CommandFailed),
    ],
)
@pytest.mark.parametrize("status", [0, 1])
async def test_a_complaint_is_an_error_even_with_status_zero(stderr: str, error: type[Exception], status: int) -> None:
    with pytest.raises(error, match="squeue"):
        await Slurm().jobs(Saying(status, "", stderr), "one", frozenset())


def test_the_run_travels_in_the_comment_and_nothing_needs_a_shell() -> None:
    argv = Slurm().submit_argv(Submission(PurePosixPath("/runs/a b"), "one", "jobs/x.sbatch"))
    assert argv == ("sbatch", "--parsable", "--comment=tau2tui one", "--chdir=/runs/a b", "/runs/a b/jobs/x.sbatch")


class Cluster(LocalShell):
    """squeue shows one text, sacct says another or fails."""

    def __init__(self, queue: str, accounting: Completed) -> None:
        self.queue, self.accounting = queue, accounting

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        return self.accounting if argv[0] == "sacct" else Completed(tuple(argv), 0, self.queue, "")


async def test_a_job_that_the_controller_has_forgotten_is_looked_up_in_the_accounting() -> None:
    accounting = Completed(("sacct",), 0, "11|CANCELLED by 1000|0:15|node1|oss_eval_node1\n", "")
    jobs = await Slurm().jobs(Cluster(RUNNING, accounting), "one", frozenset({"11", "12"}))
    assert [(job.id, job.state, job.raw_state) for job in jobs] == [
        ("11", JobState.ENDED, "CANCELLED by 1000"),
        ("12", JobState.RUNNING, "RUNNING"),
    ]


async def test_without_accounting_nobody_says_how_a_job_ended_that_is_not_shown() -> None:
    accounting = Completed(("sacct",), 1, "", "Slurm accounting storage is disabled")
    (job,) = await Slurm().jobs(Cluster("", accounting), "one", frozenset({"11"}))
    assert job.state is JobState.FORGOTTEN and not job.may_live and "disabled" in job.reason


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Resources", "waits for free nodes"),
        ("ReqNodeNotAvail, UnavailableNodes:node2", "down, drained or reserved"),
        ("Dependency", "earlier job of the same name"),
        ("Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions", "sinfo -R"),
        ("SomethingNew", "SomethingNew"),
        ("", ""),
    ],
)
def test_reasons_are_told_in_words_and_unknown_ones_as_they_are(reason: str, words: str) -> None:
    assert words in explain(reason)


def test_a_successor_may_run_beside_the_job_that_it_follows_but_not_on_its_node() -> None:
    later = Submission(PurePosixPath("/r"), "one", "jobs/x.sbatch", ("node2",), Follow("8", 3600))
    argv = Slurm().submit_argv(later)
    assert argv[4:] == ("--exclude=node2", "--dependency=after:8", "--begin=now+3600", "/r/jobs/x.sbatch")
    assert "--begin" not in " ".join(Slurm().submit_argv(replace(later, follow=Follow("8"))))


@pytest.mark.parametrize(
    ("status", "stderr", "error"),
    [
        (1, "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", Unanswered),
        (140, "scancel: error: Kill job error on job id 7: Socket timed out on send/recv operation", Unanswered),
        (1, "sbatch: error: Batch job submission failed: Invalid partition name specified", CommandFailed),
        (1, "sbatch: error: Batch job submission failed: Unable to contact slurm controller", CommandFailed),
    ],
)
async def test_a_change_that_may_have_happened_is_told_from_one_that_did_not(
    status: int, stderr: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        await Slurm().change(Saying(status, stderr=stderr), ("sbatch", "x"))
    assert type(caught.value) is error
    assert await Slurm().change(Saying(0, "17\n"), ("sbatch", "x")) == "17\n"


class Silent(LocalShell):
    """A machine on which nothing ever answers."""

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        raise Unreachable("login: sbatch did not answer within 60 s")


async def test_a_change_on_a_machine_that_fell_silent_may_have_happened() -> None:
    with pytest.raises(Unanswered, match="did not answer"):
        await Slurm().change(Silent(), ("sbatch", "x"))
