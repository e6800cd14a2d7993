"""One node script: servers, environment and header as they stand there, and the line of everything else."""

from __future__ import annotations

import pytest

from tau2tui.core.migration.leftover import all_masked
from tau2tui.core.migration.node_script import NodeScript, node_number, read_node_script
from tau2tui.errors import Refused

SERVE = "CUDA_VISIBLE_DEVICES=0 vllm serve org/m --port 1900 &\n"


def read(text: str, **defined: str) -> NodeScript:
    return read_node_script("node1.sh", text, defined)


def left(script: NodeScript, kind: str = "left") -> list[tuple[int, str]]:
    return [(entry.line, entry.why) for entry in script.left if entry.kind == kind]


def test_a_server_is_read_with_its_place_settings_and_further_arguments() -> None:
    (server,) = read(
        "PORT=1900\nexport CUDA_VISIBLE_DEVICES=2,3\nEXTRA='--max-model-len 32768'\n"
        'nohup vllm serve "org/m" --port=$PORT -tp 2 --gpu_memory_utilization 0.9 $EXTRA \\\n'
        '  --speculative-config \'{"method": "mtp", "n": 4}\' --tool-call-parser hermes --enable-auto-tool-choice \\\n'
        "  > logs/one.log 2>&1 &\n"
    ).servers
    assert (server.model, server.checkpoint, server.port, server.gpus) == ("org/m", "", 1900, (2, 3))
    assert server.settings == {
        "tensor_parallel": 2,
        "gpu_memory_utilization": 0.9,
        "tool_call_parser": "hermes",
        "speculative_config": {"method": "mtp", "n": 4},
        "args": ("--max-model-len", "32768"),
    }
    assert (server.line, server.log) == (4, "logs/one.log")


@pytest.mark.parametrize(
    "command",
    [
        "python3 -m vllm.entrypoints.openai.api_server --model org/m --port 1900",
        "env A=1 /opt/venv/bin/vllm serve org/m --port 1900",
        "exec vllm serve --port 1900 org/m",
        "vllm serve org/m --port 1900 2>&1 | tee x.log",
        "cd /x && vllm serve org/m --port 1900",
    ],
)
def test_the_server_is_found_behind_what_people_put_before_it(command: str) -> None:
    (server,) = read(f"{command} &\n").servers
    assert (server.model, server.port, server.gpus, server.settings["args"]) == ("org/m", 1900, (0,), ())


def test_a_container_becomes_the_one_of_all_servers() -> None:
    (server,) = read("apptainer exec --nv ~/vllm.sif vllm serve org/m &\n").servers
    assert server.container == ("apptainer", "exec", "--nv", "~/vllm.sif") and server.port == 8000


def test_a_checkpoint_gets_the_name_that_it_is_kept_under() -> None:
    named, unnamed = read(
        f"CUDA_VISIBLE_DEVICES=1 vllm serve /ckpt/a/b --served-model-name org/m --port 1901 &\n"
        f"{SERVE.replace('org/m', '/ckpt/nvidia/N-8B/')}"
    ).servers
    assert (named.model, named.checkpoint) == ("org/m", "/ckpt/a/b")
    assert (unnamed.model, unnamed.checkpoint) == ("nvidia/N-8B", "/ckpt/nvidia/N-8B/")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("true\nfor i in 0 1; do\n  CUDA_VISIBLE_DEVICES=$i vllm serve m --port 190$i &\ndone\n", 2),
        ("if true; then\n vllm serve m &\nfi\n", 1),
        ("serve() {\n  vllm serve $1 --port $2 &\n}\nserve m 1900\n", 1),
        ("(cd x; vllm serve m) &\n", 1),
        ("true\nvllm serve $MODEL &\n", 2),
        ("for M in a b; do echo $M; done\nvllm serve $M &\n", 2),
        ("M=$(cat model)\nvllm serve $M &\n", 2),
        ("srun --nodes=1 vllm serve m &\n", 1),
        ("vllm serve m --port $((1900 + 1)) &\n", 1),
        ("CUDA_VISIBLE_DEVICES=0,1 vllm serve m &\n", 1),
        ("CUDA_VISIBLE_DEVICES=GPU-8f1e vllm serve m &\n", 1),
        ("vllm serve --port 1900 &\n", 1),
        ("false || vllm serve m &\n", 1),
        ("ssh node2 'vllm serve m' &\n", 1),
        ("#SBATCH --array=0-3\nvllm serve m &\n", 1),
        ("#SBATCH -N 2\nvllm serve m &\n", 1),
    ],
)
def test_a_server_that_cannot_be_told_without_running_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(Refused, match=rf"^node1\.sh:{line}: "):
        read(text)


def test_a_variable_from_outside_can_be_given() -> None:
    assert read("vllm serve $MODEL &\n", MODEL="org/m").servers[0].model == "org/m"


def test_what_is_not_understood_is_listed_with_line_and_text_and_what_is_done_in_another_way_too() -> None:
    script = read(
        "#SBATCH --job-name=n1\n#SBATCH --output=x.out\n#SBATCH --cpus-per-task=4\nrsync a b\nhostname -i\n"
        "if [ -f x ]; then\n  cp x y\nfi\ncat <<EOF\nvllm serve not-a-command\nEOF\n[ -d z ] && export Z=1\n"
        f"export LD_PATH=/x:$LD_PATH\n{SERVE}sleep 30\n{SERVE.replace('0', '1')}sleep 15000\n"
    )
    assert [line for line, _ in left(script)] == [4, 6, 9, 12, 13]
    assert script.left[1].text == "rsync a b"
    assert [line for line, _ in left(script, "replaced")] == [2, 5, 17]
    assert script.sleeps_s == [30.0, None] and script.header.extra == ["--cpus-per-task=4"]
    assert "Z" not in script.servers[0].environment and node_number(script) == 1


def test_the_header_is_read_in_all_its_spellings_and_what_is_not_asked_for_is_off() -> None:
    script = read(
        "#!/bin/bash\n#SBATCH -J eval_node7 -p batch\n#SBATCH --time 1-00:00:00 # long\n#SBATCH --gres=gpu:h100:4\n"
        "#SBATCH -w gpu[01-03],gpu07\n#SBATCH --exclusive\n" + SERVE
    )
    assert script.header.settings == {
        "overcommit": False, "exclusive": True, "singleton": False, "mem": "", "ntasks_per_node": 0,
        "gpus_per_node": 4, "gpu_option": "gres", "gpu_type": "h100", "partition": "batch", "time": "1-00:00:00",
        "nodelist": ("gpu[01-03]", "gpu07"),
    }  # fmt: skip
    assert node_number(script) == 7


def test_the_environment_is_taken_over_where_it_can_be() -> None:
    script = read(
        "source ~/.bashrc && module load cuda/12.4 gcc\nsource $HOME/miniconda3/etc/profile.d/conda.sh\n"
        "conda activate v1\n"
        ". /venvs/x/bin/activate\nexport A=1 B='two words'\nC=3\nunset B\nexport VLLM_CACHE_ROOT=/tmp/c\n" + SERVE
    )
    assert (script.source, script.modules) == (["~/.bashrc"], ["cuda/12.4", "gcc"])
    assert (script.conda_prefix, script.conda, script.venv) == ("~/miniconda3", "v1", "/venvs/x")
    assert script.servers[0].environment == {"A": "1"}


def test_secrets_are_named_and_never_shown() -> None:
    planted = ("a-planted-secret", "sk-planted1234567890", "hf_planted1234567890", "planted-argument")
    script = read(
        f"export OPENAI_API_KEY={planted[0]}\nexport HARMLESS={planted[1]}\n#SBATCH --export=ALL,K={planted[0]}\n"
        f"HF_TOKEN={planted[2]} CUDA_VISIBLE_DEVICES=0 vllm serve m --api-key {planted[3]} &\ncurl -H {planted[3]}\n"
    )
    shown = repr(all_masked(script.left, script.secrets)) + repr(script.servers[0].settings)
    assert not any(secret in shown for secret in planted)
    assert script.secret_names == ["OPENAI_API_KEY", "HARMLESS", "HF_TOKEN"]
    assert script.servers[0].environment == {} and "OPENAI_API_KEY=***" in shown
    with pytest.raises(Refused) as refused:
        read(f"export KEY={planted[0]}\nfor i in 0; do vllm serve m --api-key {planted[0]} & done\n")
    assert planted[0] not in str(refused.value)
