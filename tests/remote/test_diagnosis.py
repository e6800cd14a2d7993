"""Which files are read for a diagnosis, as what, and what becomes of those that cannot be."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tau2tui.core.diagnosis import table
from tau2tui.core.model import Phase
from tau2tui.errors import NothingToRead, Unreachable
from tau2tui.remote.diagnosis import Diagnosis, diagnose_paths, diagnose_run, latest_attempts
from tau2tui.remote.loglist import LogEntry
from tests.sample import make_replica

OOM = b"(EngineCore_DP0 pid=2) ERROR 12-24 05:00:00 [core.py:843] torch.OutOfMemoryError: CUDA out of memory\n"
LIMIT = b"slurmstepd: error: *** JOB 8 ON gpu07 CANCELLED AT 2025-12-24T08:00:31 DUE TO TIME LIMIT ***\n"


def ids(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    return [(Path(each.file).name, each.id) for each in diagnosis.findings]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory with logs of every kind."""
    for name in ("logs", "jobs", "replicas", "eval"):
        (tmp_path / name).mkdir()
    (tmp_path / "logs/expert-1-0.1.log").write_bytes(OOM)
    (tmp_path / "logs/expert-1-0.2.log").write_bytes(b"INFO:     Application startup complete.\n")
    (tmp_path / "logs/tau2_retail.log").write_bytes(b"openai.APIConnectionError: Connection error.\n" + OOM)
    (tmp_path / "jobs/oss_eval_node2.err").write_bytes(LIMIT)
    (tmp_path / "jobs/oss_eval_node2.json").write_bytes(OOM)
    (tmp_path / "replicas/expert-1-0.json").write_text(
        json.dumps({"name": "expert-1-0", "expert": "expert-1", "model": "m", "job": "oss_eval_node2", "job_id": "8",
                    "node": "gpu07", "phase": "failed", "port": 1910, "heartbeat_at": 1.0})
    )  # fmt: skip
    (tmp_path / "replicas/broken.json").write_bytes(b"{")
    return tmp_path


def test_a_directory_is_read_with_all_its_logs_and_nothing_else(run: Path) -> None:
    diagnosis = diagnose_paths([str(run)], table())
    assert ids(diagnosis) == [
        ("oss_eval_node2.err", "slurm-time-limit"),
        ("expert-1-0.1.log", "cuda-out-of-memory"),
        ("tau2_retail.log", "connection-lost"),
    ]
    assert diagnosis.files == 4 and not diagnosis.unread


def test_a_log_in_a_run_knows_its_replica_job_and_node(run: Path) -> None:
    (finding,) = diagnose_paths([str(run / "logs/expert-1-0.1.log")], table()).findings
    assert (finding.replica, finding.job, finding.node) == ("expert-1-0", "oss_eval_node2", "gpu07")
    (finding,) = diagnose_paths([str(run / "jobs/oss_eval_node2.err")], table()).findings
    assert str(finding.action) == "tau2tui relaunch --job oss_eval_node2"


def test_gzip_is_known_by_its_content_and_a_torn_one_gives_what_it_can(tmp_path: Path) -> None:
    packed = gzip.compress(OOM * 20_000 + os.urandom(100_000))
    (tmp_path / "server.log").write_bytes(packed)
    assert ids(diagnose_paths([str(tmp_path / "server.log")], table())) == [("server.log", "cuda-out-of-memory")]
    (tmp_path / "server.log").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "other.log").write_bytes(OOM)
    torn = diagnose_paths([str(tmp_path)], table())
    assert ids(torn)[0] == ("other.log", "cuda-out-of-memory")
    assert len(torn.unread) == 1 and "server.log" in torn.unread[0] and torn.files == 1


def test_a_pipe_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, OOM)
    os.close(writer)
    assert ids(diagnose_paths([f"/dev/fd/{reader}"], table())) == [(str(reader), "cuda-out-of-memory")]
    os.close(reader)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NothingToRead, match="no such file"):
        diagnose_paths([str(tmp_path / "none.log")], table())
    with pytest.raises(NothingToRead, match="holds no logs"):
        diagnose_paths([str(tmp_path)], table())


def test_of_several_attempts_the_latest_counts() -> None:
    names = ("logs/a-0.9.log", "logs/a-0.10.log", "logs/a-1.1.log", "logs/fullrun.log", "jobs/x.out")
    assert latest_attempts(names) == names[1:]


@dataclass
class FakeLogs:
    """The logs of a run on a cluster; some cannot be read."""

    files: dict[str, bytes]
    lost: set[str] = field(default_factory=set)

    async def names(self) -> tuple[str, ...]:
        return tuple(self.files)

    async def entries(self) -> tuple[LogEntry, ...]:
        return tuple(LogEntry(name, len(data)) for name, data in self.files.items())

    def path_here(self, name: str) -> Path | None:
        return None

    async def size(self, name: str) -> int:
        return len(self.files[name])

    async def read(self, name: str, offset: int, limit: int) -> bytes:
        if name in self.lost:
            raise Unreachable("login did not answer")
        return self.files[name][offset : offset + limit]

    async def local(self) -> Path:
        raise AssertionError("the logs are read where they lie")


async def test_the_logs_of_a_run_are_read_where_they_lie_and_what_is_lost_is_named() -> None:
    files = {"logs/expert-1-0.1.log": OOM, "logs/expert-1-0.2.log": OOM, "jobs/oss_eval_node2.err": LIMIT}
    replica = make_replica("expert-1-0", Phase.FAILED, node="gpu07")
    diagnosis = await diagnose_run(FakeLogs(files, {"jobs/oss_eval_node2.err"}), (replica,), table(), "/runs/r")
    (finding,) = diagnosis.findings
    assert (finding.file, finding.replica, finding.node) == ("/runs/r/logs/expert-1-0.2.log", "expert-1-0", "gpu07")
    assert diagnosis.unread == ("jobs/oss_eval_node2.err: login did not answer",)
    with pytest.raises(NothingToRead, match="no logs yet"):
        await diagnose_run(FakeLogs({}), (), table())
    with pytest.raises(NothingToRead, match="did not answer"):
        await diagnose_run(FakeLogs(files, set(files)), (), table())
