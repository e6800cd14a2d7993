"""The text of a job script: exactly what a launch submits, and safe whatever the configuration holds."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import tomli

from tau2tui.config import EvaluationConfig, submitted
from tau2tui.core.placement import plan_jobs, server_argv
from tau2tui.remote.render import eval_job_file, launch_files, run_toml, sbatch_options, sbatch_text
from tests.processes import wait_for
from tests.sample import small_config

RUN = PurePosixPath("/runs/one")
WHEN = datetime.fromisoformat("2026-01-02T03:04:05+00:00")


def test_the_header_is_that_of_the_seed() -> None:
    config = small_config(slurm={"partition": "batch"})
    options = sbatch_options(config, plan_jobs(config)[0])
    for option in (
        "--job-name=oss_eval_node1", "--partition=batch", "--time=24:00:00", "--nodes=1", "--gpus-per-node=8",
        "--ntasks-per-node=1", "--mem=0", "--overcommit", "--exclusive", "--dependency=singleton",
        "--output=jobs/oss_eval_node1.out", "--error=jobs/oss_eval_node1.err", "--signal=B:USR1@120",
    ):  # fmt: skip
        assert option in options


def test_clusters_differ_and_options_can_be_left_out_and_added() -> None:
    slurm = {
        "gpus_per_node": 0,
        "exclusive": False,
        "mem": "",
        "account": "acme",
        "extra": ["--constraint=h100&nvlink"],
    }
    config = small_config(slurm=slurm)
    text = "\n".join(sbatch_options(config, plan_jobs(config)[0]))
    assert "gpus-per-node" not in text and "exclusive" not in text and "mem" not in text
    assert "--account=acme" in text and text.endswith("--constraint=h100&nvlink")


def test_the_script_says_its_address_first_then_runs_the_node_agent() -> None:
    config = small_config()
    text = sbatch_text(config, plan_jobs(config)[0], RUN)
    commands = [line.strip() for line in text.splitlines() if line and not line.startswith("#")]
    assert commands[0] == "hostname -i"
    assert "python3 /runs/one/node_agent.py run /runs/one/jobs/oss_eval_node1.json &" in commands


class Script:
    """A job script whose "node agent" is a program of the test's."""

    def __init__(self, directory: Path, program: str) -> None:
        (directory / "node_agent.py").write_text(program)
        (directory / "jobs").mkdir()
        config = small_config(cluster={"python": sys.executable})
        self.path = directory / "job.sh"
        self.path.write_text(sbatch_text(config, plan_jobs(config)[0], PurePosixPath(str(directory))))
        self.process = subprocess.Popen(["bash", str(self.path)], stdout=subprocess.DEVNULL, cwd=directory)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signals_of_the_scheduler_reach_the_agent_and_its_end_is_the_jobs(tmp_path: Path, number: int) -> None:
    program = (
        "import pathlib, signal, sys, time\n"
        "def told(number, frame): pathlib.Path('told').write_text(str(number)); time.sleep(0.5); sys.exit(0)\n"
        "for number in (10, 15): signal.signal(number, told)\n"
        "pathlib.Path('up').touch(); time.sleep(60)\n"
    )
    script = Script(tmp_path, program)
    with script.process:
        wait_for((tmp_path / "up").exists, "the agent")
        script.process.send_signal(number)
        assert script.process.wait(30) == 0
    assert (tmp_path / "told").read_text() == str(int(number))


@pytest.mark.slow
def test_a_job_ends_even_if_its_agent_died_by_the_signal_before_it_listened(tmp_path: Path) -> None:
    program = (
        "import pathlib, signal, sys, time\n"
        "with open('starts', 'a') as file: file.write('x')\n"
        "if len(pathlib.Path('starts').read_text()) > 1: signal.signal(15, lambda *_: sys.exit(0))\n"
        "pathlib.Path('up').touch(); time.sleep(60)\n"
    )
    script = Script(tmp_path, program)
    with script.process:
        wait_for((tmp_path / "up").exists, "the agent")
        script.process.send_signal(signal.SIGTERM)
        assert script.process.wait(30) == 0
    assert (tmp_path / "starts").read_text() == "xx"


@pytest.mark.slow
def test_an_agent_that_is_killed_is_started_again(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal\n"
        "with open('starts', 'a') as file: file.write('x')\n"
        "if len(pathlib.Path('starts').read_text()) < 3: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    script = Script(tmp_path, program)
    with script.process:
        assert script.process.wait(30) == 0
    assert (tmp_path / "starts").read_text() == "xxx"


@pytest.mark.parametrize(
    ("slurm", "option"),
    [
        ({"gpu_option": "gres"}, "--gres=gpu:8"),
        ({"gpu_option": "gres", "gpu_type": "h100"}, "--gres=gpu:h100:8"),
        ({"gpu_type": "h100"}, "--gpus-per-node=h100:8"),
        ({"requeue": False}, "--no-requeue"),
        ({"requeue": True}, "--requeue"),
        ({"reservation": "mine"}, "--reservation=mine"),
        ({"constraint": "h100&nvlink"}, "--constraint='h100&nvlink'"),
        ({"nodelist": ["gpu01", "gpu02"]}, "--nodelist=gpu01,gpu02"),
        ({"qos": "high"}, "--qos=high"),
    ],
)
def test_every_setting_has_its_directive(slurm: dict[str, Any], option: str) -> None:
    config = small_config(slurm=slurm)
    assert option in sbatch_options(config, plan_jobs(config)[0])


def test_a_container_is_what_every_servers_command_is_put_behind() -> None:
    config = small_config(environment={"container": ["apptainer", "exec", "--nv", "/vllm.sif"]})
    argv = server_argv(config, plan_jobs(config)[0].replicas[0], RUN)
    assert argv[:6] == ("apptainer", "exec", "--nv", "/vllm.sif", "vllm", "serve")


def test_the_environment_is_set_up_in_order() -> None:
    environment = {
        "source": ["/home/me/.bashrc"],
        "modules": ["cuda/12.4"],
        "conda": "vllm1",
        "conda_prefix": "/mc",
        "lines": ["export A=$B"],
    }
    config = small_config(environment=environment)
    text = sbatch_text(config, plan_jobs(config)[0], RUN)
    wanted = [
        "source /home/me/.bashrc",
        "module load cuda/12.4",
        "source /mc/etc/profile.d/conda.sh",
        "conda activate vllm1",
        "export A=$B",
    ]
    assert [line for line in text.splitlines() if line in wanted] == wanted


HOSTILE = "$(touch pwned); `touch pwned`; ' \" & | > pwned"


def test_nothing_of_a_configuration_is_interpreted_by_the_shell_of_the_job(tmp_path: Path) -> None:
    config = small_config(
        environment={"conda": HOSTILE, "modules": [HOSTILE], "source": [HOSTILE], "venv": HOSTILE},
        cluster={"python": HOSTILE},
    )
    script = tmp_path / "job.sh"
    script.write_text(sbatch_text(config, plan_jobs(config)[0], PurePosixPath(f"/runs/{HOSTILE}")))
    # Without the waits between its tries: what a shell would interpret, it interprets at the first.
    script.write_text(script.read_text().replace("sleep 1", ":"))
    subprocess.run(["bash", str(script)], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert [path.name for path in tmp_path.iterdir()] == ["job.sh"]


def test_a_newline_cannot_add_a_line_to_the_script() -> None:
    with pytest.raises(ValueError, match="control characters"):
        small_config(slurm={"partition": "batch\n#SBATCH --uid=0"})


def test_the_configuration_as_submitted_can_be_read_back() -> None:
    config = small_config(environment={"variables": {"A": 'b " c'}})
    data = tomli.loads(run_toml(config, WHEN))
    assert data["submitted"]["at"] == "2026-01-02T03:04:05+00:00"
    assert submitted(data, "run.toml") == config


def test_a_launch_brings_the_agent_and_one_script_and_specification_for_each_node() -> None:
    names = [file.path for file in launch_files(small_config(), RUN, WHEN, None)]
    assert names == [
        "run.toml",
        "node_agent.py",
        "jobs/oss_eval_node1.sbatch",
        "jobs/oss_eval_node1.json",
        "jobs/oss_eval_node2.sbatch",
        "jobs/oss_eval_node2.json",
    ]
    rehearsal = small_config(serve={"engine": "rehearsal"})
    assert "rehearsal_server.py" in [file.path for file in launch_files(rehearsal, RUN, WHEN, {})]


def test_a_chat_template_of_ours_is_copied_into_the_run_and_served_from_there() -> None:
    config = small_config()
    expert = config.experts["expert-1"].model_copy(update={"chat_template": "builtin:hermes"})
    config = config.model_copy(update={"experts": {**config.experts, "expert-1": expert}})
    (template,) = [file for file in launch_files(config, RUN, WHEN, None) if file.path.startswith("templates/")]
    assert "<tool_call>" in template.text
    argv = server_argv(config, plan_jobs(config)[1].replicas[0], RUN)
    assert argv[argv.index("--chat-template") + 1] == f"/runs/one/{template.path}"


def test_the_script_of_a_job_is_good_shell(tmp_path: Path) -> None:
    environment = {
        "source": ["/home/me/.bashrc"], "modules": ["cuda"], "conda": "vllm1", "venv": "/v", "lines": ["export A=1"]
    }  # fmt: skip
    config = small_config(environment=environment).at_home("/home/me")
    script = tmp_path / "job.sh"
    script.write_text(sbatch_text(config, plan_jobs(config)[0], RUN))
    # SC1091: the files that it sources are not here.
    command = [str(Path(sys.executable).with_name("shellcheck")), "--exclude=SC1091", str(script)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_evaluations_own_job_asks_for_no_gpu_and_becomes_the_driver(tmp_path: Path) -> None:
    config = small_config(slurm={"partition": "gpu", "account": "it's", "gpus_per_node": 8})
    evaluation = EvaluationConfig.model_validate({"job": {"partition": "cpu", "cpus": 6, "extra": ["--nice=10"]}})
    program = ("sh", "-c", 'printf "%s ran in %s\\n" "$0" "$PWD"', f"drive {HOSTILE}")
    file = eval_job_file(config, evaluation, program)
    assert file.path == "jobs/tau2_eval.sbatch"
    options = [line.removeprefix("#SBATCH ") for line in file.text.splitlines() if line.startswith("#SBATCH")]
    assert {"--job-name=tau2_eval", "--partition=cpu", "--cpus-per-task=6", "--mem=8G", "--nice=10"} <= set(options)
    assert "--signal=B:TERM@120" in options and not any("gpu" in option for option in options)
    (tmp_path / "eval").mkdir()
    script = tmp_path / "eval.sbatch"
    script.write_text(file.text)
    subprocess.run(["bash", str(script)], cwd=tmp_path, check=True)
    assert (tmp_path / "eval/driver.out").read_text() == f"drive {HOSTILE} ran in {tmp_path}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["eval", "eval.sbatch"]
