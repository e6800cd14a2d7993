"""What the logs of a fleet and of an evaluation are called, also rotated and compressed, and what their names say."""

from __future__ import annotations

import re

from tau2tui.core.layout import EVAL_OUT, SMOKE_OUT

_ENDING = r"(?:\.\d+)?(?:\.(?:gz|zst))?"
EVALUATION_LOG = re.compile(rf"(?:fullrun|(?:tau2|eval)_(?P<domain>.+?))\.log{_ENDING}")
SERVER_LOG = re.compile(rf"(?P<replica>[A-Za-z0-9][\w.-]*-\d+)\.(?P<attempt>\d+)\.log{_ENDING}")
"""One attempt of one replica."""
JOB_OUTPUT = re.compile(rf"(?P<job>.+)\.(?P<stream>out|err){_ENDING}")
"""What SLURM wrote of a job, or whatever else ends like that."""
_DRIVER_OUTPUTS = tuple(path.rpartition("/")[2] for path in (EVAL_OUT, SMOKE_OUT))


def domain_of(name: str) -> str:
    """The domain of an evaluation's log (`tau2_<domain>.log`, `eval_<domain>.log`); "" where its name holds none."""
    found = EVALUATION_LOG.fullmatch(name)
    return (found["domain"] or "") if found and found["domain"] != "global" else ""


def is_of_evaluation(name: str) -> bool:
    """Whether a file is called as what an evaluation writes: its logs, or what its driver printed."""
    return EVALUATION_LOG.fullmatch(name) is not None or name in _DRIVER_OUTPUTS
