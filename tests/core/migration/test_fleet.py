"""The scripts of several nodes as one fleet."""

from __future__ import annotations

import json

import pytest

from tau2tui.config import Config, parse
from tau2tui.core.migration.config_text import config_text
from tau2tui.core.migration.endpoints import EndpointTable, read_endpoints
from tau2tui.core.migration.fleet import Fleet, make_fleet
from tau2tui.core.migration.node_script import read_node_script
from tau2tui.errors import Refused

AGENT = "CUDA_VISIBLE_DEVICES=7 vllm serve org/Orchestrator --port 1900 &\n"
NO_TABLE = EndpointTable()


def fleet(*scripts: str, table: EndpointTable = NO_TABLE, agent: str | None = None) -> Fleet:
    read = [read_node_script(f"node{number}.sh", text, {}) for number, text in enumerate(scripts, 1)]
    return make_fleet(read, table, agent)


def config(made: Fleet) -> Config:
    return parse(config_text(made, ["node1.sh"], "/runs", {}).encode(), "config.toml", {})


def serve(model: str, port: int, gpus: str, more: str = "") -> str:
    return f"CUDA_VISIBLE_DEVICES={gpus} vllm serve {model} --port {port} {more} &\n"


def test_servers_of_one_model_side_by_side_are_the_replicas_of_one_expert_on_one_or_several_nodes() -> None:
    one = AGENT + serve("org/E", 1910, "0") + "sleep 10\n" + serve("org/E", 1911, "1") + "sleep 45\n"
    two = serve("org/E", 1912, "0") + serve("org/E", 1913, "1")
    made = config(fleet(one, two))
    expert = made.experts["expert-1"]
    assert (expert.node, expert.gpus, expert.ports, expert.replicas) == ((1, 2), (0, 1), (1910, 1911, 1912, 1913), 4)
    assert expert.stagger_s == 10 and made.agent == "orchestrator"
    assert made.experts["orchestrator"].gpus == (7,)


def test_servers_that_differ_or_do_not_stand_in_a_row_are_experts_of_their_own() -> None:
    text = (
        AGENT + serve("org/E", 1910, "0") + serve("org/E", 1920, "1") + serve("org/E", 1911, "2", "--async-scheduling")
    )
    experts = config(fleet(text)).experts
    assert {name: (e.ports, e.args) for name, e in experts.items() if e.role == "expert"} == {
        "expert-1": ((1910,), ()), "expert-1.2": ((1920,), ()), "expert-1.3": ((1911,), ("--async-scheduling",)),
    }  # fmt: skip


def test_names_come_from_the_endpoints_and_the_agent_is_the_model_that_is_no_expert() -> None:
    table, left = read_endpoints(
        "m.json",
        json.dumps(
            {
                "/home/else/org/A": [{"ip_addr": "10.0.0.1", "port": "1900"}],
                "org/E": [{"ip_addr": "10.0.0.1", "port": "1910"}, {"ip_addr": "10.0.0.1", "port": "1999"}],
                "org/Gone": [{"ip_addr": "10.0.0.9", "port": "1"}],
                "oss_expert_mapping": {"best": "org/E", "lost": "org/Gone"},
                "api_key": "sk-planted1234567890",
                "vllm_model_config_path": "m.json",
            }
        ),
    )
    assert [(entry.text, entry.why) for entry in left] == [("api_key", "not a list of endpoints")]
    made = fleet(serve("~/org/A", 1900, "0") + serve("org/E", 1910, "1"), table=table)
    assert list(config(made).experts) == ["orchestrator", "best"]
    assert [entry.text for entry in made.left] == ["lost: org/Gone", "org/E: 10.0.0.1:1999"]
    assert "planted" not in json.dumps(table.as_json())


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": [{"port": 1}]}', "[" * 100_000])
def test_a_table_of_another_shape_is_left_and_no_crash(text: str) -> None:
    table, left = read_endpoints("m.json", text)
    assert left and not table.models


def test_the_agent_must_be_told_where_it_cannot_be_known() -> None:
    text = serve("org/A", 1900, "0") + serve("org/B", 1901, "1")
    with pytest.raises(Refused, match=r"org/A, org/B \(name it with --agent MODEL"):
        fleet(text)
    assert config(fleet(text, agent="org/B")).experts["orchestrator"].model == "org/B"
    with pytest.raises(Refused, match="no script serves it"):
        fleet(text, agent="org/C")


def test_two_servers_on_one_port_or_gpu_are_refused_with_both_lines() -> None:
    with pytest.raises(Refused, match=r"node1.sh:2: GPU 0 is already used by the server of line 1"):
        fleet(serve("org/Orchestrator", 1900, "0") + serve("org/B", 1901, "0"))


def test_what_differs_between_the_nodes_is_named() -> None:
    head = "#SBATCH --job-name=e{}\n#SBATCH --time={}\nexport A={}\nexport B=1\nmodule load {}\n"
    made = fleet(head.format(1, "1:00:00", 1, "x") + AGENT, head.format(2, "2:00:00", 2, "y") + serve("org/E", 1, "0"))
    assert [(entry.where, entry.text) for entry in made.left] == [
        ("node2.sh", "time = '2:00:00'"), ("node2.sh", "modules: ['y']"), ("node1.sh:3", "A=1"), ("node2.sh:3", "A=2"),
    ]  # fmt: skip
    assert made.environment == {"modules": ["x"], "variables": {"B": "1"}}
    assert made.slurm["job_name"] == "e{node}"


def test_hostile_text_stays_in_its_comment_and_in_its_string() -> None:
    hostile = '"]\\n[experts.x]\\nmodel = "y" $(touch pwned)'
    made = config(fleet(f"rsync '{hostile}\n[slurm]\x1b[31m' x\n" + AGENT.replace("org/", f"'{hostile}'org/")))
    assert [expert.model for expert in made.experts.values()] == [f"{hostile}org/Orchestrator"]
    assert not made.slurm.partition
