"""The probe: the real program, in a real shell, against a `vllm` that prints what the real one printed."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tau2tui.config import ClusterConfig, Config
from tau2tui.core.lint import Facts, lint
from tau2tui.core.lint.facts import ModelFiles, Partition, Place, Quota
from tau2tui.core.placement import plan_jobs
from tau2tui.core.vllm_flags import shipped_for
from tau2tui.errors import CommandFailed
from tau2tui.remote.probe import FlagCache, _headers, probe, remembered
from tau2tui.remote.probe_answer import facts_from, parse_partitions, parse_quotas
from tau2tui.remote.probe_program import MARK
from tau2tui.remote.render import environment_text, sbatch_text
from tau2tui.remote.shell import Completed, LocalShell, open_shell
from tests.core.test_vllm_flags import HELP
from tests.lab.cluster import Lab
from tests.sample import small_config


@dataclass
class Cluster:
    """One machine with a `vllm` program, and a fleet that is to be served there."""

    directory: Path
    sections: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cache = FlagCache(self.directory / "cache")
        self.programs = self.directory / "bin"
        self.programs.mkdir()

    def install_vllm(self, version: str, into: Path | None = None) -> None:
        """A program that answers like vLLM of that version, and writes down how it was called."""
        into = into or self.programs
        shutil.copy(HELP / f"help-{version}.txt", into / "help.txt")
        program = into / "vllm"
        program.write_text(
            "#!/bin/sh\n"
            f'echo "$*" >>{into}/calls\n'
            'case "$*" in\n'
            f'"serve --help=all") cat {into}/help.txt ;;\n'
            f'--version) echo "INFO importing"; echo {version}+cpu ;;\n'
            '*) echo "vllm: error: unrecognized arguments: $*" >&2; exit 2 ;;\n'
            "esac\n"
        )
        program.chmod(0o755)

    def calls(self) -> list[str]:
        calls = self.programs / "calls"
        return sorted(calls.read_text().splitlines()) if calls.exists() else []

    def config(self, **expert: Any) -> Config:
        """As it is written: with `~`."""
        environment = self.sections.get("environment", {})
        lines = [*environment.get("lines", []), f"export PATH={self.programs}:$PATH"]
        sections = {
            "cluster": {"scheduler": "local"},
            "run": {"directory": str(self.directory / "runs/new")},
            **self.sections,
            "environment": {**environment, "lines": lines},
        }
        config = small_config(**sections)
        experts = {**config.experts, "expert-1": config.experts["expert-1"].model_copy(update=expert)}
        return config.model_copy(update={"experts": experts})

    async def facts(self, **expert: Any) -> Facts:
        return await probe(self.config(**expert).at_home(str(Path.home())), LocalShell(), self.cache)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


# --- vLLM


async def test_the_installed_vllm_is_asked_in_the_environment_of_the_jobs(cluster: Cluster) -> None:
    cluster.install_vllm("0.12.0")
    facts = await cluster.facts()
    assert facts.vllm_version == "0.12.0+cpu" and facts.vllm_error == ""
    assert cluster.calls() == ["--version", "serve --help=all"]
    assert facts.flags is not None and facts.flags.canonical("-tp") == "--tensor-parallel-size"
    shipped = shipped_for("0.12.0")
    assert shipped is not None and facts.flags.fields == shipped.fields


async def test_it_is_asked_once_until_its_program_changes(cluster: Cluster) -> None:
    cluster.install_vllm("0.12.0")
    first = await cluster.facts()
    assert (await cluster.facts()).vllm_flags == first.vllm_flags and len(cluster.calls()) == 2
    cluster.install_vllm("0.32.0")
    assert (await cluster.facts()).vllm_version == "0.32.0+cpu"
    assert len(cluster.calls()) == 4


async def test_another_environment_is_another_vllm(cluster: Cluster) -> None:
    cluster.install_vllm("0.12.0")
    await cluster.facts()
    cluster.sections = {"environment": {"lines": ["true"]}}
    await cluster.facts()
    assert len(cluster.calls()) == 4


async def test_what_was_said_is_remembered_for_when_nobody_is_asked(cluster: Cluster) -> None:
    cluster.install_vllm("0.12.0")
    assert remembered(cluster.config(), cluster.cache) == Facts()
    facts = await cluster.facts()
    assert remembered(cluster.config(), cluster.cache) == Facts(vllm_version="0.12.0+cpu", vllm_flags=facts.vllm_flags)
    for file in cluster.cache.directory.iterdir():
        file.write_text("{}")
    assert remembered(cluster.config(), cluster.cache) == Facts()


async def test_the_memory_is_found_whether_home_is_written_out_or_not(cluster: Cluster) -> None:
    cluster.install_vllm("0.12.0")
    cluster.sections = {"environment": {"source": ["~/no such file"]}}
    facts = await cluster.facts()
    assert remembered(cluster.config(), cluster.cache).vllm_flags == facts.vllm_flags is not None


async def test_a_cache_that_cannot_be_written_is_no_reason_to_end(cluster: Cluster) -> None:
    cluster.install_vllm("0.12.0")
    cluster.cache.directory.write_text("a file where the directory should be")
    assert (await cluster.facts()).vllm_version == "0.12.0+cpu"


async def test_what_one_cluster_said_is_not_taken_for_another(cluster: Cluster) -> None:
    cluster.install_vllm("0.12.0")
    await cluster.facts()
    config = cluster.config()
    elsewhere = config.model_copy(update={"cluster": ClusterConfig(login="other")})
    assert remembered(config, cluster.cache) != remembered(elsewhere, cluster.cache) == Facts()


async def test_a_missing_vllm_is_a_finding_and_not_the_end(cluster: Cluster) -> None:
    cluster.sections = {"serve": {"command": [str(cluster.programs / "vllm"), "serve"]}}
    facts = await cluster.facts()
    assert "not found" in facts.vllm_error and facts.flags is None and facts.host
    assert "vllm-not-found" in {finding.rule for finding in lint(cluster.config(), facts)}
    assert not cluster.cache.directory.exists()


async def test_a_vllm_that_only_complains_is_told_in_its_own_words(cluster: Cluster) -> None:
    cluster.install_vllm("0.12.0")
    (cluster.programs / "vllm").write_text("#!/bin/sh\necho 'ImportError: libcudart.so.13' >&2; exit 1\n")
    assert (await cluster.facts()).vllm_error == "ImportError: libcudart.so.13"


async def test_practice_servers_need_no_vllm(cluster: Cluster) -> None:
    cluster.install_vllm("0.12.0")
    cluster.sections = {"serve": {"engine": "rehearsal"}}
    facts = await cluster.facts()
    assert cluster.calls() == [] and facts.vllm_error == "" and facts.models == {}


async def test_a_container_is_asked_and_its_image_is_part_of_what_is_remembered(cluster: Cluster) -> None:
    cluster.install_vllm("0.12.0")
    image = cluster.directory / "image.sif"
    image.write_text("one")
    container = cluster.programs / "contain"
    container.write_text('#!/bin/sh\nshift\nexec "$@"\n')
    container.chmod(0o755)
    cluster.sections = {"environment": {"container": [str(container), str(image)]}}
    assert (await cluster.facts()).vllm_version == "0.12.0+cpu"
    await cluster.facts()
    assert len(cluster.calls()) == 2
    image.write_text("another")
    await cluster.facts()
    assert len(cluster.calls()) == 4


# --- files and limits


def write_model(directory: Path, **config: Any) -> None:
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps({"model_type": "qwen3", **config}))


async def test_a_checkpoint_tells_its_shape_its_weights_and_its_tokenizer(cluster: Cluster) -> None:
    checkpoint = cluster.directory / "ckpt with space"
    write_model(checkpoint, num_attention_heads=64, num_key_value_heads=8, max_position_embeddings=40960)
    shards = {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors"}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    (checkpoint / "model-1.safetensors").touch()
    (checkpoint / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ mine }}"}))
    (checkpoint / "tokenizer.json").write_text('{"added_tokens": []}')
    facts = await cluster.facts(checkpoint=str(checkpoint))
    assert facts.paths[str(checkpoint)] is Place.DIRECTORY
    assert facts.models["expert-1"] == ModelFiles(
        directory=str(checkpoint),
        model_type="qwen3",
        attention_heads=64,
        kv_heads=8,
        max_position_embeddings=40960,
        missing_shards=("model-2.safetensors",),
        has_python_tag=False,
        chat_template="{{ mine }}",
    )


@pytest.mark.parametrize(
    ("rope", "stretched"),
    [
        ({}, False),
        ({"rope_scaling": None, "rope_parameters": {"rope_type": "default"}}, False),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, True),
        ({"rope_parameters": {"rope_type": "yarn"}}, True),
    ],
)
async def test_a_context_that_may_be_stretched_is_known(
    cluster: Cluster, rope: dict[str, Any], stretched: bool
) -> None:
    write_model(cluster.directory / "ckpt", text_config={"num_attention_heads": 32}, **rope)
    read = (await cluster.facts(checkpoint=str(cluster.directory / "ckpt"))).models["expert-1"]
    assert read.rope_scaling == stretched and read.attention_heads == 32


async def test_a_model_of_the_hub_is_looked_for_in_its_cache(cluster: Cluster) -> None:
    model = cluster.directory / "hf/hub/models--org--Expert"
    write_model(model / "snapshots/abc", num_attention_heads=16)
    (model / "snapshots/abc/tokenizer.json").write_text('{"content": "<|python_tag|>"}')
    (model / "refs").mkdir()
    (model / "refs/main").write_text("abc")
    cluster.sections = {"environment": {"variables": {"HF_HOME": str(cluster.directory / "hf")}}}
    facts = await cluster.facts()
    assert facts.models["expert-1"].attention_heads == 16 and facts.models["expert-1"].has_python_tag
    assert facts.models["orchestrator"] == ModelFiles(), "that one was never fetched"


async def test_templates_are_read_and_what_is_not_there_is_said(cluster: Cluster) -> None:
    there, gone = cluster.directory / "t.jinja", cluster.directory / "gone.jinja"
    there.write_text("{{ messages }}")
    facts = await cluster.facts(chat_template=str(there), checkpoint=str(gone))
    assert facts.templates == {str(there): "{{ messages }}"}
    assert facts.paths == {str(gone): Place.MISSING, str(there): Place.FILE}
    assert facts.models["expert-1"] == ModelFiles()
    assert (await cluster.facts(chat_template="builtin:hermes")).paths == {}


async def test_room_and_limits_are_those_of_the_machine(cluster: Cluster) -> None:
    facts = await cluster.facts()
    disk = next(disk for disk in facts.disks if disk.what == "run.directory")
    assert disk.path == str(cluster.directory / "runs/new") and disk.free_bytes > 0 and disk.writable
    assert not (cluster.directory / "runs").exists(), "nothing is made"
    first, last = facts.ephemeral_ports or (0, 0)
    assert 0 < first < last < 65536 and facts.shared_memory_bytes is not None
    assert facts.partitions is None and facts.submissions == ()


async def test_of_a_variable_only_whether_it_is_set_is_told(cluster: Cluster) -> None:
    cluster.sections = {"environment": {"lines": ["export OPENAI_API_KEY=sk-secret; unset VLLM_API_KEY"]}}
    facts = await cluster.facts()
    assert facts.variables == {"OPENAI_API_KEY": True, "VLLM_API_KEY": False}
    assert "sk-secret" not in repr(facts)


# --- the command


class ListeningShell(LocalShell):
    """Keeps what it ran."""

    def __init__(self) -> None:
        self.argv: tuple[str, ...] = ()

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        self.argv = tuple(argv)
        return await super().run(argv, timeout_s)


async def test_no_secret_of_the_configuration_is_in_the_command(cluster: Cluster) -> None:
    cluster.sections = {"environment": {"variables": {"HF_TOKEN": "hf_secret", "HF_HOME": "/hf"}}}
    shell = ListeningShell()
    await probe(cluster.config(), shell, cluster.cache)
    assert "hf_secret" not in " ".join(shell.argv) and "/hf" in " ".join(shell.argv)


HOSTILE = "$(touch pwned); `touch pwned`; ' \" & | > pwned"


async def test_nothing_of_a_configuration_is_interpreted_by_a_shell(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cluster.sections = {
        "environment": {"conda": HOSTILE, "modules": [HOSTILE], "source": [HOSTILE], "venv": HOSTILE},
        "serve": {"command": [HOSTILE, "serve"]},
    }
    facts = await cluster.facts(chat_template=f"/{HOSTILE}", checkpoint=f"/{HOSTILE}")
    assert facts.paths == {f"/{HOSTILE}": Place.MISSING}
    assert not (tmp_path / "pwned").exists()


async def test_an_environment_that_ends_its_shell_is_one_line_with_a_remedy(cluster: Cluster) -> None:
    cluster.sections = {"environment": {"lines": ["echo 'no such module' >&2; exit 3"]}}
    with pytest.raises(CommandFailed, match="no such module") as raised:
        await cluster.facts()
    assert "[environment]" in raised.value.hint


class AnsweringShell(LocalShell):
    """Says something else than the program would."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        return Completed(tuple(argv), 0, self._text, "")


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"limits": 3}'])
async def test_an_unreadable_answer_is_one_line(cluster: Cluster, text: str) -> None:
    with pytest.raises(CommandFailed, match="not readable"):
        await probe(cluster.config(), AnsweringShell(MARK + text), cluster.cache)


def test_the_program_runs_on_old_pythons_and_needs_no_packages() -> None:
    source = resources.files("tau2tui.remote").joinpath("probe_program.py").read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(name.startswith("tau2tui") for name in imported)
    isolated = ["/usr/bin/python3", "-I", "-S", "-c", source, "{}"]
    said = subprocess.run(isolated, capture_output=True, text=True, check=False).stderr
    assert said.splitlines()[-1] == "KeyError: 'command'", "it came as far as reading what it is asked"


def test_the_environment_is_that_of_the_job_scripts() -> None:
    environment = {
        "source": ["/home/me/.bash rc"],
        "modules": ["cuda/12.4"],
        "conda": "vllm1",
        "venv": "/v",
        "lines": ["umask 077"],
    }
    config = small_config(environment=environment)
    lines = environment_text(config).splitlines()
    script = sbatch_text(config, plan_jobs(config)[0], PurePosixPath("/run")).splitlines()
    assert len(lines) == 6 and [line for line in script if line in lines] == lines


# --- SLURM


def test_jobs_that_ask_for_the_same_are_tried_once() -> None:
    config = small_config(slurm={"partition": "gpu", "extra": ["--switches=1"]})
    ((text, jobs),) = _headers(config).items()
    assert jobs == ("oss_eval_node1", "oss_eval_node2")
    assert text.startswith("#!/bin/bash\n#SBATCH --partition=gpu\n") and "#SBATCH --switches=1\n" in text
    assert "--output" not in text and "agent" not in text


def answer(**parts: Any) -> dict[str, Any]:
    """What the program says when it found nothing."""
    empty: dict[str, Any] = {
        "host": "login", "not_checked": [], "paths": {}, "templates": {}, "models": {}, "disks": {}, "limits": {},
        "variables": {}, "vllm": {}, "sbatch": [], "sinfo": None, "quota": {"status": None, "error": "not found"},
    }  # fmt: skip
    return {**empty, **parts}


@pytest.mark.parametrize(
    "result",
    [
        {"status": None, "error": "sbatch: not found"},
        {
            "status": 1,
            "error": "",
            "stdout": "",
            "stderr": "allocation failure: Unable to contact slurm controller",
        },
        {"status": 1, "error": "", "stdout": "", "stderr": "sbatch: fatal: Could not establish a configuration source"},
    ],
)
def test_a_silent_scheduler_refuses_nothing(result: dict[str, Any]) -> None:
    facts = facts_from(answer(sbatch=[result, result], sinfo=result), (("one",), ("two",)), None)
    assert facts.submissions == () and facts.partitions is None
    assert len(facts.not_checked) == 2 and facts.not_checked[0].startswith("sbatch --test-only: ")


def test_partitions_come_with_their_limits() -> None:
    text = "gpu|1-00:00:00\nshort|30:00\nlong|infinite\ngpu|1-00:00:00\n"
    assert parse_partitions(text) == (Partition("gpu", 86400.0), Partition("short", 1800.0), Partition("long", None))


def test_quotas_are_shares_of_their_limits() -> None:
    text = (
        "Disk quotas for user me (uid 1000):\n"
        "     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace\n"
        "      nas:/home  950*     900    1000  1767225600     10       0    1000       0\n"
        "       /scratch  5     0    0  0     7       0    0       0\n"
    )
    assert parse_quotas(text) == (Quota("nas:/home", 950 / 900, "blocks"), Quota("nas:/home", 0.01, "files"))
    assert parse_quotas("Disk quotas for user me (uid 1000): none\n") == ()


# --- on a real cluster


def lab_config(lab: Lab, **slurm: Any) -> Config:
    config = small_config(
        cluster={"login": "login", "ssh_config": str(lab.ssh_config), "python": "/usr/bin/python3"},
        environment={"lines": ['PATH="$HOME/bin:$PATH"']},
        slurm={"partition": "gpu", "mem": "1000", **slurm},
    )
    return config.at_home(str(lab.home))


async def ask(config: Config, cache: FlagCache) -> Facts:
    async with open_shell(config.cluster) as shell:
        return await probe(config, shell, cache)


@pytest.mark.lab
@pytest.mark.slow
async def test_a_real_cluster_says_what_its_jobs_and_its_vllm_are_like(idle_lab: Lab, tmp_path: Path) -> None:
    programs = idle_lab.home / "bin"
    programs.mkdir(exist_ok=True)
    Cluster(tmp_path).install_vllm("0.32.0", into=programs)
    shutil.chown(programs, idle_lab.home.stat().st_uid)
    cache = FlagCache(tmp_path / "cache")

    facts = await ask(lab_config(idle_lab), cache)
    assert facts.host == "login" and facts.vllm_version == "0.32.0+cpu" and facts.not_checked == ()
    (submission,) = facts.submissions
    assert submission.accepted and submission.jobs == ("oss_eval_node1", "oss_eval_node2")
    assert facts.partitions == (Partition("gpu", None),)
    assert not idle_lab.queue(), "nothing was submitted"

    refusals: dict[str, dict[str, Any]] = {
        "Invalid feature": {"constraint": "h100"},
        "Invalid partition": {"partition": "gpus"},
        "node configuration": {"gpus_per_node": 9},
    }
    for words, slurm in refusals.items():
        config = lab_config(idle_lab, **slurm)
        facts = await ask(config, cache)
        assert words in facts.submissions[0].message and not facts.submissions[0].accepted
        rules = {finding.rule for finding in lint(config, facts)}
        assert "sbatch-refused" in rules and ("unknown-partition" in rules) == ("partition" in slurm)


@pytest.mark.lab
@pytest.mark.slow
async def test_a_time_limit_that_slurm_lets_pass_is_found_all_the_same(idle_lab: Lab, tmp_path: Path) -> None:
    idle_lab.on("ctl", "scontrol", "create", "partitionname=short", "nodes=node1", "maxtime=00:30:00")
    try:
        config = lab_config(idle_lab, partition="short", time="01:00:00")
        facts = await ask(config, FlagCache(tmp_path))
    finally:
        idle_lab.on("ctl", "scontrol", "delete", "partitionname=short")
    assert facts.submissions[0].accepted, "sbatch --test-only does not mind"
    assert "time-limit" in {finding.rule for finding in lint(config, facts)}


@pytest.mark.lab
@pytest.mark.slow
async def test_a_controller_that_is_down_leaves_slurm_unjudged(idle_lab: Lab, tmp_path: Path) -> None:
    idle_lab.power("off", "ctl")
    config = lab_config(idle_lab)
    facts = await ask(config, FlagCache(tmp_path))
    assert facts.submissions == () and any("sbatch" in what for what in facts.not_checked)
    rules = {finding.rule for finding in lint(config, facts)}
    assert "not-checked" in rules and "sbatch-refused" not in rules
