"""Which replica runs where, and with which command line."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.config import Config
from tau2tui.core.placement import arguments, endpoint_addresses, endpoints, job_spec, plan_jobs, server_argv
from tau2tui.errors import ConfigError
from tests.sample import small_config

RUN = PurePosixPath("/runs/one")


def test_each_node_is_one_job_and_replicas_take_the_next_gpus_and_ports() -> None:
    jobs = plan_jobs(small_config())
    assert [(job.name, [(r.name, r.gpus, r.port, r.delay_s) for r in job.replicas]) for job in jobs] == [
        ("oss_eval_node1", [("orchestrator-0", (0,), 1900, 0.0)]),
        ("oss_eval_node2", [("expert-1-0", (0, 1), 1910, 0.0), ("expert-1-1", (2, 3), 1911, 60.0)]),
    ]


def test_the_command_line_is_that_of_vllm_serve() -> None:
    config = small_config()
    extra = {
        "checkpoint": "/ckpt/x y",
        "chat_template": "/t.jinja",
        "tool_call_parser": "hermes",
        "speculative_config": {"method": "mtp", "num_speculative_tokens": 4},
        "args": ("--async-scheduling",),
    }
    expert = config.experts["expert-1"].model_copy(update=extra)
    config = config.model_copy(update={"experts": {**config.experts, "expert-1": expert}})
    argv = server_argv(config, plan_jobs(config)[1].replicas[1], RUN)
    assert argv[:3] == ("vllm", "serve", "/ckpt/x y")
    options = dict(zip(argv[3::2], argv[4::2], strict=False))
    assert options["--served-model-name"] == "org/Expert"
    assert options["--port"] == "1911" and options["--tensor-parallel-size"] == "2"
    assert argv[13:16] == ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
    assert json.loads(argv[argv.index("--speculative-config") + 1]) == extra["speculative_config"]
    assert argv[-1] == "--async-scheduling"


def test_a_rehearsal_server_gets_the_same_arguments_and_its_role() -> None:
    config = small_config(serve={"engine": "rehearsal"})
    argv = server_argv(config, plan_jobs(config)[1].replicas[0], RUN)
    assert argv[:2] == ("python3", "/runs/one/rehearsal_server.py")
    assert argv[argv.index("--role") + 1] == "expert"
    assert argv[argv.index("--latency-of") + 1] == "expert-1"
    assert argv[argv.index("--script") + 1] == "/runs/one/rehearsal_script.json"


def test_every_replica_has_a_cache_of_its_own() -> None:
    config = small_config()
    caches = [replica["cache"] for job in plan_jobs(config) for replica in job_spec(config, job, RUN)["replicas"]]
    assert len(set(caches)) == len(caches) == 3


def test_the_endpoint_file_has_the_shape_that_the_seeds_tools_read() -> None:
    table = endpoints(small_config())
    assert table == {
        "org/Agent-8B": [],
        "org/Expert": [],
        "vllm_model_config_path": "model_config_oss.json",
        "oss_expert_mapping": {"expert-1": "org/Expert"},
    }
    assert endpoint_addresses({**table, "org/Expert": [{"ip_addr": "h", "port": "1"}]}) == {("h", "1")}


def packed(*experts: tuple[str, int, int], **sections: Any) -> Config:
    """A fleet of (name, replicas, tensor_parallel) that name no place, behind a pinned agent on GPU 0 of node 1."""
    agent = {"model": "agent", "role": "agent", "node": 1, "gpus": [0], "port": 1900}
    rest = {
        name: {"model": name, "replicas": replicas, "tensor_parallel": size, "stagger_s": 0}
        for name, replicas, size in experts
    }
    return Config.model_validate({"experts": {"agent": agent, **rest}, **sections})


def places(config: Config) -> dict[str, tuple[int, tuple[int, ...], int]]:
    return {r.name: (job.node, r.gpus, r.port) for job in plan_jobs(config) for r in job.replicas}


def test_what_names_no_place_is_packed_around_what_does_large_ones_first() -> None:
    assert places(packed(("small", 2, 1), ("large", 1, 4))) == {
        "agent-0": (1, (0,), 1900),
        "small-0": (1, (1,), 1902),
        "small-1": (1, (2,), 1903),
        "large-0": (1, (4, 5, 6, 7), 1901),
    }


def test_a_replica_that_does_not_fit_beside_the_others_opens_the_next_node() -> None:
    assert places(packed(("wide", 1, 8)))["wide-0"] == (2, tuple(range(8)), 1900)


def test_what_does_not_fit_is_refused_with_both_sides() -> None:
    with pytest.raises(ConfigError, match=r"wide-0 needs 8 GPUs .* free are 7 on node 1"):
        plan_jobs(packed(("wide", 1, 8), placement={"nodes": 1}))


def test_one_expert_spreads_evenly_over_several_nodes() -> None:
    config = small_config()
    spread = config.experts["expert-1"].model_copy(update={"node": (2, 4), "gpus": (6, 7)})
    config = config.model_copy(update={"experts": {**config.experts, "expert-1": spread}})
    assert places(config)["expert-1-0"] == (2, (6, 7), 1910)
    assert places(config)["expert-1-1"] == (4, (6, 7), 1911)


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from((1, 2, 4, 8))), max_size=6), st.booleans())
def test_packing_never_shares_a_gpu_or_a_port_and_places_every_replica(
    sizes: list[tuple[int, int]], one_host: bool
) -> None:
    experts = [(f"e{number}", replicas, size) for number, (replicas, size) in enumerate(sizes)]
    config = packed(*experts, cluster={"scheduler": "local" if one_host else "slurm"})
    found = places(config)
    assert len(found) == 1 + sum(replicas for replicas, _ in sizes)
    gpus = [(node, gpu) for node, block, _ in found.values() for gpu in block]
    ports = [(0 if one_host else node, port) for node, _, port in found.values()]
    assert len(set(gpus)) == len(gpus) and len(set(ports)) == len(ports)
    for name, replicas, size in experts:
        assert all(len(found[f"{name}-{index}"][1]) == size for index in range(replicas))


def test_arguments_by_name_become_flags_values_repetitions_and_json() -> None:
    argv = arguments(
        {
            "async-scheduling": True,
            "enable-prefix-caching": False,
            "max-model-len": 32768,
            "middleware": ("a", "b c"),
            "served-model-name": (("x", "y"),),
            "limit-mm-per-prompt": {"image": 0},
        }
    )
    assert argv == [
        "--async-scheduling", "--no-enable-prefix-caching", "--max-model-len", "32768", "--middleware", "a",
        "--middleware", "b c", "--served-model-name", "x", "y", "--limit-mm-per-prompt", '{"image": 0}',
    ]  # fmt: skip
    assert arguments(("--as", "they are")) == ["--as", "they are"]
