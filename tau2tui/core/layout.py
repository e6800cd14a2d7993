"""What a run directory holds, by name: the one place that knows the paths of DESIGN's run directory.

Everything is a path relative to the run directory, so the same names serve this machine and the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

RUN_CONFIG = "run.toml"
NODE_AGENT = "node_agent.py"
REHEARSAL_SERVER = "rehearsal_server.py"
REHEARSAL_SCRIPT = "rehearsal_script.json"
BUILTIN_TEMPLATE = "builtin:"
"""Marks a chat template that comes with the package and is copied into the run."""
TEMPLATES = "templates"
JOBS = "jobs"
REPLICAS = "replicas"
SUCCESSORS = "successors"
PREDECESSORS = "predecessors"
DIRTY_NODES = ".nodes"
"""Beside the runs: one file for each node that was found dirty."""
CONTROL = "control"
METRICS = "metrics"
ENDPOINTS = "model_config_oss.json"
ACTIVITY = "activity"
"""A file of JSON lines for each program that acts: appending to one file from two machines may lose a line on NFS."""
ACTIVITY_BEFORE = "activity.jsonl"
"""The one file that older versions appended to."""
RESULTS = "results.json"
"""tau2's own file of the results of one domain, in a directory of the domain's name below the outputs."""
EVAL = "eval"
EVAL_STATE = "eval/state.json"
EVAL_REQUEST = "eval/request.json"
EVAL_CONTROL = "eval/control"
EVAL_UNITS = "eval/units"
EVAL_OUT = "eval/driver.out"
EVAL_JOB = "tau2_eval"
"""Name of the evaluation's own job, which is none of the fleet's: those are numbered."""
SMOKE = "eval/smoke"
"""Its small evaluations, each in a directory that is built like a run's."""
SMOKE_REQUEST = "eval/smoke-request.json"
SMOKE_REPORT = "eval/smoke.json"
SMOKE_OUT = "eval/smoke.out"


@dataclass(frozen=True, slots=True)
class RunLayout:
    """The names inside one run directory that are settings: its logs and its outputs."""

    logs: str = "logs"
    outputs: str = "outputs"

    @property
    def directories(self) -> tuple[str, ...]:
        """All that must exist before the first job starts, parents first."""
        return (
            JOBS,
            TEMPLATES,
            REPLICAS,
            SUCCESSORS,
            PREDECESSORS,
            CONTROL,
            METRICS,
            ACTIVITY,
            self.logs,
            self.outputs,
            EVAL,
            EVAL_CONTROL,
            EVAL_UNITS,
        )

    @property
    def full_log(self) -> str:
        """The driver's lines and every marker."""
        return f"{self.logs}/fullrun.log"

    def profile_log(self, domain: str) -> str:
        """The profile lines of one domain."""
        return f"{self.logs}/tau2_{domain}.log"

    def eval_log(self, domain: str) -> str:
        """What the evaluation of one domain said."""
        return f"{self.logs}/eval_{domain}.log"


def sbatch_file(job: str) -> str:
    """The job script exactly as it was submitted."""
    return f"{JOBS}/{job}.sbatch"


def job_spec(job: str) -> str:
    """What the node agent of this job is to start."""
    return f"{JOBS}/{job}.json"


def job_output(job: str, stream: str = "out") -> str:
    """SLURM's own output file of a job; `stream` is out or err."""
    return f"{JOBS}/{job}.{stream}"


def template_file(name: str) -> str:
    """Where a chat template of ours lies in a run; `name` with or without `builtin:`."""
    return f"{TEMPLATES}/{name.removeprefix(BUILTIN_TEMPLATE)}.jinja"


def dirty_node_file(node: str) -> str:
    """What is remembered of a node, relative to the parent of the runs."""
    return f"{DIRTY_NODES}/{node}.json"


def replica_file(replica: str) -> str:
    """What the node agent says of one replica."""
    return f"{REPLICAS}/{replica}.json"


def activity_file(writer: str) -> str:
    """The steps that one program has performed; `writer` is its own name."""
    return f"{ACTIVITY}/{writer}.jsonl"


def request_file(number: int, verb: str) -> str:
    """A request to a node agent; numbers only ever grow (nanoseconds since the epoch)."""
    return f"{CONTROL}/{number:020d}-{verb}.json"


def eval_request_file(number: int, verb: str) -> str:
    """A request to the evaluation driver."""
    return f"{EVAL_CONTROL}/{number:020d}-{verb}.json"


RESULT_SUFFIX = ".result.json"
"""How the answer to a request ends, where the request ends in .json."""


def result_of(request: str) -> str:
    """Where the answer to a request stands."""
    return str(PurePosixPath(request).with_suffix(RESULT_SUFFIX))
