"""Placement → the files of a launch: job scripts and specifications, the node agent, the configuration."""

from __future__ import annotations

import getpass
import json
import math
import shlex
import socket
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

from tau2tui import __version__
from tau2tui.chat_templates import template_text
from tau2tui.config import Config, EvaluationConfig, SlurmConfig
from tau2tui.core import layout
from tau2tui.core.placement import PlannedJob, job_spec, plan_jobs
from tau2tui.core.step import WriteFile


def launch_files(
    config: Config, run_dir: PurePosixPath, when: datetime, rehearsal_script: dict[str, Any] | None
) -> tuple[WriteFile, ...]:
    """All files that a launch writes into the run directory before it submits, by relative path."""
    files = [
        WriteFile(layout.RUN_CONFIG, run_toml(config, when)),
        WriteFile(layout.NODE_AGENT, agent_source()),
    ]
    if config.serve.engine == "rehearsal":
        files.append(WriteFile(layout.REHEARSAL_SERVER, _source("tau2tui.rehearsal", "server.py")))
        files.append(WriteFile(layout.REHEARSAL_SCRIPT, json.dumps(rehearsal_script or {})))
    for template in sorted({expert.chat_template for expert in config.experts.values()}):
        if template.startswith(layout.BUILTIN_TEMPLATE):
            files.append(WriteFile(layout.template_file(template), template_text(template)))
    for job in plan_jobs(config):
        files.append(WriteFile(layout.sbatch_file(job.name), sbatch_text(config, job, run_dir)))
        files.append(_job_spec_file(config, job, run_dir))
    return tuple(files)


def changed_files(config: Config, run_dir: PurePosixPath, when: datetime) -> tuple[WriteFile, ...]:
    """The files of a run that changed settings of its servers lead to: each takes effect with its next start."""
    jobs = (_job_spec_file(config, job, run_dir) for job in plan_jobs(config))
    return (WriteFile(layout.RUN_CONFIG, run_toml(config, when)), *jobs)


def _job_spec_file(config: Config, job: PlannedJob, run_dir: PurePosixPath) -> WriteFile:
    # On one machine "the node's address" is what the replicas bind.
    address = config.serve.host if config.cluster.scheduler == "local" else ""
    return WriteFile(layout.job_spec(job.name), json.dumps(job_spec(config, job, run_dir, address), indent=1))


def eval_job_file(config: Config, evaluation: EvaluationConfig, driver: Sequence[str]) -> WriteFile:
    """The script of the evaluation's own job. `driver`: the command line that runs the evaluation to its end."""
    slurm, job = config.slurm, evaluation.job
    partition = job.partition or slurm.partition
    options = [
        f"--job-name={layout.EVAL_JOB}",
        *(
            f"--{name}={shlex.quote(value)}"
            for name, value in (("partition", partition), ("account", slurm.account), ("qos", slurm.qos))
            if value
        ),
        f"--time={job.time}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={job.cpus}",
        *((f"--mem={shlex.quote(job.mem)}",) if job.mem else ()),
        f"--output={layout.job_output(layout.EVAL_JOB)}",
        f"--error={layout.job_output(layout.EVAL_JOB, 'err')}",
        "--open-mode=append",
        f"--signal=B:TERM@{math.ceil(slurm.grace_s)}",
        *job.extra,
    ]
    text = _rendered("eval.sbatch.j2", options=options, driver=driver, output=layout.EVAL_OUT)
    return WriteFile(layout.sbatch_file(layout.EVAL_JOB), text)


def sbatch_text(config: Config, job: PlannedJob, run_dir: PurePosixPath) -> str:
    """The text of one job script."""
    agent = [config.cluster.python, str(run_dir / layout.NODE_AGENT), "run", str(run_dir / layout.job_spec(job.name))]
    return _rendered("job.sbatch.j2", options=sbatch_options(config, job), environment=config.environment, agent=agent)


def environment_text(config: Config) -> str:
    """The shell lines by which a job sets up its environment."""
    return _rendered("environment.sh.j2", environment=config.environment)


def _rendered(template: str, **values: object) -> str:
    """A text of shell from one of the templates beside this module."""
    import jinja2  # only a launch and a look at the cluster need it

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tau2tui.remote"),
        autoescape=False,  # noqa: S701 - shell, not HTML: every value goes through `quote`
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["quote"] = shlex.quote
    return environment.get_template(template).render(values)


def sbatch_options(config: Config, job: PlannedJob) -> tuple[str, ...]:
    """The #SBATCH lines; output paths are relative to the run directory, where the job is started."""
    slurm = config.slurm
    options: list[tuple[str, str | None, bool]] = [
        ("job-name", job.name, True),
        ("partition", slurm.partition, bool(slurm.partition)),
        ("account", slurm.account, bool(slurm.account)),
        ("qos", slurm.qos, bool(slurm.qos)),
        ("time", slurm.time, True),
        ("nodes", "1", True),
        ("ntasks-per-node", str(slurm.ntasks_per_node), slurm.ntasks_per_node > 0),
        (slurm.gpu_option, _gpus(slurm), slurm.gpus_per_node > 0),
        ("mem", slurm.mem, bool(slurm.mem)),
        ("overcommit", None, slurm.overcommit),
        ("exclusive", None, slurm.exclusive),
        ("dependency", "singleton", slurm.singleton),
        ("nodelist", ",".join(slurm.nodelist), bool(slurm.nodelist)),
        ("exclude", ",".join(slurm.exclude), bool(slurm.exclude)),
        ("constraint", slurm.constraint, bool(slurm.constraint)),
        ("reservation", slurm.reservation, bool(slurm.reservation)),
        ("requeue", None, slurm.requeue is True),
        ("no-requeue", None, slurm.requeue is False),
        ("output", layout.job_output(job.name), True),
        ("error", layout.job_output(job.name, "err"), True),
        # A restarted job must not erase what the first life wrote, and it is told before its time is over.
        ("open-mode", "append", True),
        ("signal", f"B:USR1@{math.ceil(slurm.grace_s)}", True),
    ]
    lines = [
        f"--{name}" + ("" if value is None else f"={shlex.quote(value)}") for name, value, wanted in options if wanted
    ]
    return (*lines, *slurm.extra)


def _gpus(slurm: SlurmConfig) -> str:
    """The number of GPUs as the option wants it: 8, h100:8, gpu:8, gpu:h100:8."""
    parts = ("gpu" if slurm.gpu_option == "gres" else "", slurm.gpu_type, str(slurm.gpus_per_node))
    return ":".join(part for part in parts if part)


def run_toml(config: Config, when: datetime) -> str:
    """The configuration as it was submitted, with who, where and when; it is read back by `config.load_submitted`."""
    import tomlkit  # as above

    document = tomlkit.document()
    document["submitted"] = {
        "at": when.isoformat(timespec="seconds"),
        "by": getpass.getuser(),
        "from": socket.gethostname(),
        "tau2tui": __version__,
    }
    for key, value in config.model_dump(mode="json", exclude_none=True).items():
        document[key] = value
    return tomlkit.dumps(document)


def agent_source() -> str:
    """The program of the node agent, which every run directory holds: it also reads the state of the run."""
    return _source("tau2tui.node", "agent.py")


def _source(package: str, name: str) -> str:
    """The text of a program that is copied to the cluster."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
