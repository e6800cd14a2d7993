"""Whatever a configuration holds, the shell makes of a rendered script exactly the arguments that were meant."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tau2tui.config import Config, EvaluationConfig
from tau2tui.core.placement import plan_jobs, server_argv
from tau2tui.remote.render import eval_job_file, launch_files, sbatch_text
from tests.sample import small_config

WHEN = datetime.fromisoformat("2026-01-02T03:04:05+00:00")
HOSTILE = 'it\'s "q" `touch p` $(touch p) ${IFS} ; & | > x \\ * ~ ! #'
LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
"""What the configuration takes: no newline, no NUL."""
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


def read_back(words: str, *, prefix: str = "") -> list[str]:
    """The arguments that bash makes of a piece of script."""
    script = f"{prefix}show() {{ printf '%s\\0' \"$@\"; }}\nshow {words}\n"
    command = ["bash", "--norc", "-c", script]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=30, cwd="/").stdout
    return printed.decode().split("\0")[:-1]


def configured(**sections: Any) -> Config:
    """The small configuration with other sections; a value that it refuses is no example."""
    try:
        return small_config(**sections)
    except ValidationError:
        assume(condition=False)
        raise


def in_order(script: str, function: str, lines: list[str]) -> list[list[str]]:
    """Every call of a command in these lines, as bash makes it: the command is a function that shows its arguments."""
    shown = f"{function}() {{ printf '%s\\0' \"$@\"; printf '\\1\\0'; }}\n" + "\n".join(lines) + "\n"
    printed = subprocess.run(["bash", "--norc", "-c", shown], capture_output=True, check=True, cwd="/").stdout.decode()
    assert script
    return [call.split("\0")[:-1] for call in printed.split("\1\0")[:-1]]


@given(LINE, LINE, LINE)
@example(HOSTILE, HOSTILE, HOSTILE)
@settings(max_examples=40, deadline=None)
def test_the_environment_of_a_job_is_set_up_with_the_very_words(file: str, module: str, conda: str) -> None:
    assume(not file.startswith("~") and "$" not in file)  # those are expanded, by rules of their own
    config = configured(environment={"source": [file], "modules": [module], "conda": conda, "conda_prefix": "/c"})
    lines = sbatch_text(config, plan_jobs(config)[0], PurePosixPath("/runs/one")).split("\n")
    for word, wanted in (("source", [[file], ["/c/etc/profile.d/conda.sh"]]), ("module", [["load", module]])):
        found = [line for line in lines if line.startswith(f"{word} ")]
        assert in_order("x", word, found) == wanted
    assert in_order("x", "conda", [line for line in lines if line.startswith("conda ")]) == [["activate", conda]]


@given(LINE, LINE)
@example(HOSTILE, HOSTILE)
@settings(max_examples=40, deadline=None)
def test_python_and_run_directory_are_one_argument_each(python: str, run: str) -> None:
    assume("/" not in run and run not in (".", ".."))
    config = configured(cluster={"python": python})
    job = plan_jobs(config)[0]
    text = sbatch_text(config, job, PurePosixPath("/runs") / run)
    (line,) = [line for line in text.split("\n") if "node_agent.py" in line and not line.startswith("#")]
    wanted = [python, f"/runs/{run}/node_agent.py", "run", f"/runs/{run}/jobs/{job.name}.json"]
    assert read_back(line.strip().removesuffix("&")) == wanted


@given(LINE, LINE, LINE)
@example(HOSTILE, HOSTILE, HOSTILE)
@settings(max_examples=40, deadline=None)
def test_a_header_value_is_one_word_of_one_line(partition: str, account: str, exclude: str) -> None:
    """SLURM splits header lines by the same rules of quoting."""
    config = configured(slurm={"partition": partition, "account": account, "exclude": [exclude]})
    text = sbatch_text(config, plan_jobs(config)[0], PurePosixPath("/runs/one"))
    header = [line.removeprefix("#SBATCH ") for line in text.split("\n") if line.startswith("#SBATCH ")]
    words = [word for line in header for word in read_words(line)]
    assert {f"--partition={partition}", f"--account={account}", f"--exclude={exclude}"} <= set(words)
    assert len(words) == len(header)


def read_words(line: str) -> list[str]:
    return shlex.split(line)


@given(LINE, LINE, st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,9}", fullmatch=True), ANY, max_size=3))
@example(HOSTILE, HOSTILE, {"chat-template-content": f"{HOSTILE}\n{HOSTILE}"})
@settings(max_examples=60, deadline=None)
def test_what_the_node_agent_starts_is_what_was_configured(model: str, checkpoint: str, args: dict[str, str]) -> None:
    """It reads an argv from JSON: no shell stands between."""
    assume("$" not in checkpoint and not checkpoint.startswith("~"))
    expert = {"model": model, "checkpoint": checkpoint, "node": 2, "gpus": [0], "port": 1910, "args": args}
    agent = {"model": "a", "role": "agent", "node": 1, "gpus": [0], "port": 1900}
    config = configured(experts={"agent": agent, "expert-1": expert})
    files = {file.path: file.text for file in launch_files(config, PurePosixPath("/runs/one"), WHEN, None)}
    (replica,) = json.loads(files["jobs/oss_eval_node2.json"])["replicas"]
    argv = replica["argv"]
    assert argv[:5] == ["vllm", "serve", checkpoint, "--served-model-name", model]
    assert argv[-2 * len(args) :] == [word for name, value in args.items() for word in (f"--{name}", value)] or not args
    assert read_back(shlex.join(argv)) == argv  # as `plan` shows it, it can be pasted
    assert argv == list(server_argv(config, plan_jobs(config)[1].replicas[0], PurePosixPath("/runs/one")))


@given(st.lists(ANY, min_size=1, max_size=4))
@example([HOSTILE, f"a\n{HOSTILE}\n"])
@settings(max_examples=40, deadline=None)
def test_the_driver_of_an_evaluation_job_gets_the_very_words(driver: list[str]) -> None:
    text = eval_job_file(small_config(), EvaluationConfig(), driver).text
    command = text[re.search(r"^exec ", text, re.MULTILINE).end() :]  # type: ignore[union-attr]
    words, _, output = command.rpartition(" >> ")
    assert read_back(words) == driver and read_words(output) == ["eval/driver.out", "2>&1"]
