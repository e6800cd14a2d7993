"""`tau2tui import`: the seed's artefacts become a configuration and a run that every word can open."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli

from tau2tui.cli.setup import shipped_config
from tau2tui.config import Config, load, parse
from tests.analysis.made_logs import LogMaker
from tests.command_line import CommandLine

pytestmark = pytest.mark.slow

SEED = Path(__file__).parents[1] / "data" / "seed"
EXPERT_RESULTS = {
    "info": {"environment_info": {"domain_name": "retail"}, "git_commit": "abc"},
    "tasks": [],
    "simulations": [
        {"task_id": "0", "trial": 0, "reward_info": {"reward": 1.0}, "termination_reason": "user_stop"},
        {"task_id": "17", "trial": 0, "reward_info": {"reward": 0.0}, "termination_reason": "user_stop"},
    ],
}


@pytest.fixture
def tau2tui(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "made" / "config.toml", tmp_path)


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """The scripts of the notes, with what such a run leaves beside them."""
    directory = tmp_path / "evaluation"
    shutil.copytree(SEED, directory)
    logs, outputs, vllm = (directory / name for name in ("logs_oss_full", "outputs_oss_full", "logs_vllm"))
    for one in (logs, outputs, vllm):
        one.mkdir()
    LogMaker(7).write(logs, 400)
    (outputs / "retail_results.json").write_text(json.dumps(EXPERT_RESULTS))
    (directory / "oss_eval_node1.out").write_text("172.27.25.244\n")
    (vllm / "orchestrator_2.log").write_text("INFO Application startup complete\n")
    return directory


def imported(tau2tui: CommandLine, *words: str) -> dict[str, Any]:
    """`import --json` into the directory of the configuration."""
    completed = CommandLine(tau2tui.directory / "config.toml", tau2tui.directory).run(
        "import", *words, "--into", str(tau2tui.config.parent), "--json"
    )
    found: dict[str, Any] = json.loads(completed.stdout)
    return found


def fleet(config: Config) -> dict[str, dict[str, Any]]:
    """What is served, without what no script says: prices and what the orchestrator is told."""
    unsaid = {"price_in", "price_out", "strengths", "latency_s"}
    return {name: expert.model_dump(exclude=unsaid) for name, expert in config.experts.items()}


def everything(directory: Path) -> Iterator[tuple[str, str | bytes]]:
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            yield str(path), str(path.readlink())
        elif path.is_file():
            yield str(path), path.read_bytes()


def test_the_scripts_of_the_notes_are_the_fleet_of_the_shipped_configuration(tau2tui: CommandLine) -> None:
    found = imported(tau2tui, str(SEED))
    made, shipped = load(tau2tui.config), parse(shipped_config().encode(), "shipped", {})
    # The notes name the template in another home than their checkpoints.
    template = "/home/junxiong/haokang/ToolOrchestra/evaluation/tool_chat_template_llama3.1_json.jinja"
    expected = fleet(shipped)
    expected["orchestrator"]["chat_template"] = template
    assert fleet(made) == expected
    assert made.slurm == shipped.slurm and made.environment == shipped.environment
    assert (made.agent, found["run"]) == ("orchestrator", None)
    assert [entry for entry in found["left"] if entry["kind"] == "left"] == []
    replaced = {entry["text"] for entry in found["left"]}
    assert {"sleep 15000", "hostname -i", "#SBATCH --nodes 1"} <= replaced


def test_plan_and_doctor_take_what_it_makes(tau2tui: CommandLine) -> None:
    imported(tau2tui, str(SEED))
    assert "wait until 16 replicas are ready" in tau2tui.run("plan", "--offline").stdout
    judged = tau2tui.run("doctor", "--offline", "--json", status=None)
    assert judged.returncode in (0, 2, 4, 5) and judged.stdout.startswith(("[", "{"))


@pytest.mark.slow
def test_every_word_opens_the_run(tau2tui: CommandLine, seed: Path) -> None:
    found = imported(tau2tui, str(seed))
    run = Path(found["run_directory"])
    assert run.name == "20251230-173215" and found["run"] in tau2tui.run("runs").stdout
    tau2tui.change(cluster={"scheduler": "local"})  # no squeue here
    status = tau2tui.status()
    assert status["evaluation"]["state"] == "running" and len(status["replicas"]) == 16
    passed = {domain["domain"]: domain["passed"] for domain in status["evaluation"]["domains"]}
    assert passed == {"retail": 1, "telecom": 0}, "as the results say"
    latency = json.loads(tau2tui.run("--run", found["run"], "latency", "--json").stdout)
    assert latency == json.loads(tau2tui.run("latency", str(seed / "logs_oss_full"), "--json").stdout)
    report = json.loads(tau2tui.run("report", "--no-charts", "--json").stdout)
    assert Path(report["markdown"]).parent == run
    compared = json.loads(tau2tui.run("compare", found["run"], str(run), "--json").stdout)
    assert compared["a"] == compared["b"] == run.name
    for word in ("progress", "errors", "diagnose"):
        tau2tui.run(word, "--json")
    assert sorted(path.name for path in (seed / "logs_oss_full").iterdir()) == [
        "fullrun.log", "tau2_retail.log", "tau2_telecom.log",
    ]  # fmt: skip


def test_logs_results_and_outputs_of_jobs_lie_where_a_run_has_them(tau2tui: CommandLine, seed: Path) -> None:
    run = Path(imported(tau2tui, str(seed))["run_directory"])
    links = {path.relative_to(run).as_posix(): path.resolve() for path in run.rglob("*") if path.is_symlink()}
    assert links == {
        "logs_oss_full/fullrun.log": seed / "logs_oss_full/fullrun.log",
        "logs_oss_full/tau2_retail.log": seed / "logs_oss_full/tau2_retail.log",
        "logs_oss_full/tau2_telecom.log": seed / "logs_oss_full/tau2_telecom.log",
        "logs_oss_full/orchestrator-2.1.log": seed / "logs_vllm/orchestrator_2.log",
        "outputs_oss_full/retail/results.json": seed / "outputs_oss_full/retail_results.json",
        "jobs/oss_eval_node1.out": seed / "oss_eval_node1.out",
    }
    endpoints = json.loads((run / "model_config_oss.json").read_text())
    assert endpoints["Qwen/Qwen3-32B-FP8"][0] == {"ip_addr": "172.27.25.244", "port": "1904"}
    submitted = tomli.loads((run / "run.toml").read_text())
    assert submitted["run"]["logs"] == "logs_oss_full" and submitted["submitted"]["tau2tui"]


def test_copies_stand_alone_and_are_private(tau2tui: CommandLine, seed: Path) -> None:
    run = Path(imported(tau2tui, str(seed), "--copy")["run_directory"])
    for path in run.rglob("*"):
        assert not path.is_symlink()
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    same = (run / "logs_oss_full/fullrun.log").read_bytes() == (seed / "logs_oss_full/fullrun.log").read_bytes()
    assert same


def test_the_same_import_again_changes_nothing_and_another_one_is_refused(tau2tui: CommandLine, seed: Path) -> None:
    first = imported(tau2tui, str(seed))
    before = list(everything(tau2tui.config.parent))
    assert first["written"] and imported(tau2tui, str(seed))["written"] == []
    with (seed / "logs_oss_full" / "eval_retail.log").open("w") as new:
        new.write("[2025-12-30 19:00:00] x\n")
    assert [Path(path).name for path in imported(tau2tui, str(seed))["written"]] == ["eval_retail.log"]
    (Path(first["run_directory"]) / "logs_oss_full/eval_retail.log").unlink()
    assert list(everything(tau2tui.config.parent)) == before

    tau2tui.config.write_text(tau2tui.config.read_text() + "# mine\n")
    mine = list(everything(tau2tui.config.parent))
    refused = tau2tui.run("import", str(seed), "--into", str(tau2tui.config.parent), status=5)
    assert "config.toml is there already" in refused.stderr and list(everything(tau2tui.config.parent)) == mine


def test_a_dry_run_and_a_look_only_write_nothing(tau2tui: CommandLine, seed: Path) -> None:
    tau2tui = CommandLine(tau2tui.directory / "config.toml", tau2tui.directory)
    shown = tau2tui.run("import", str(seed), "--into", "made", "--dry-run").stdout
    assert "[experts.expert-3]" in shown
    tau2tui.run("--read-only", "import", str(seed), "--into", "made", status=5)
    assert not (tau2tui.directory / "made").exists()


def test_nothing_of_a_script_is_ever_executed(tau2tui: CommandLine, seed: Path, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    script = seed / "oss_eval_node2.sh"
    for trap in (
        f"X=$(touch {mark})",
        f"`touch {mark}`",
        f"touch {mark}",
        f"source <(touch {mark})",
        f"eval touch {mark}",
    ):
        script.write_text(script.read_text().replace("set -x\n", f"set -x\n{trap}\n"))
    found = imported(tau2tui, str(seed))
    assert not mark.exists()
    left = [entry for entry in found["left"] if str(mark) in entry["text"] and entry["kind"] == "left"]
    assert len({entry["line"] for entry in left}) == 5


@pytest.mark.parametrize("name", ["a secret in an export", "a secret in an argument", "a secret in the endpoints"])
def test_no_file_and_no_output_holds_a_secret(tau2tui: CommandLine, seed: Path, name: str) -> None:
    secret = "planted-4f1d9c"
    script, table = seed / "oss_eval_node2.sh", seed / "model_config_oss.json"
    match name:
        case "a secret in an export":
            script.write_text(script.read_text().replace("set -x\n", f"set -x\nexport OPENAI_API_KEY='{secret}'\n"))
        case "a secret in an argument":
            script.write_text(
                script.read_text().replace("--async-scheduling", f"--async-scheduling --api-key {secret}")
            )
        case _:
            table.write_text(table.read_text().replace("{", f'{{"api_key": "{secret}",', 1))
    completed = tau2tui_at(tau2tui).run("import", str(seed), "--into", str(tau2tui.config.parent))
    written = b"".join(path.read_bytes() for path in tau2tui.config.parent.rglob("*") if path.is_file())
    assert secret.encode() not in written and secret not in completed.stdout + completed.stderr
    if "export" in name:
        assert b"OPENAI_API_KEY is a secret" in written


def tau2tui_at(tau2tui: CommandLine) -> CommandLine:
    """The same before there is a configuration."""
    return CommandLine(tau2tui.directory / "config.toml", tau2tui.directory)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("nowhere",), 7, "no such file"),
        ((".",), 7, "no script that starts"),
        (("evaluation", "--define", "x"), 2, "not NAME=VALUE"),
        (("evaluation/logs_oss_full",), 7, "logs alone are opened by tau2tui --logs"),
    ],
)
def test_bad_input_is_one_line(
    tau2tui: CommandLine, seed: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    stderr = tau2tui_at(tau2tui).run("import", *words, "--into", "made", status=status).stderr
    assert said in stderr and stderr.count("\n") == 1 and not (tau2tui.directory / "made").exists()


def test_two_directories_of_logs_are_not_mixed(tau2tui: CommandLine, seed: Path) -> None:
    shutil.copytree(seed / "logs_oss_full", seed / "logs_oss_smoke")
    refused = tau2tui_at(tau2tui).run("import", str(seed), "--into", "made", status=5)
    assert "logs_oss_full, logs_oss_smoke" in refused.stderr
    paths = [str(path) for path in (*seed.glob("*.sh"), seed / "model_config_oss.json", seed / "logs_oss_smoke")]
    assert Path(imported(tau2tui, *paths)["run_directory"], "logs_oss_smoke/fullrun.log").exists()
