"""Which replica runs where, and with which command line."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from tau2tui.core.placement import endpoints, job_spec, plan_jobs, server_argv
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
    table = endpoints(small_config(), {"expert-1-1": "10.0.0.2", "orchestrator-0": "10.0.0.1"})
    assert table == {
        "org/Agent-8B": [{"ip_addr": "10.0.0.1", "port": "1900"}],
        "org/Expert": [{"ip_addr": "10.0.0.2", "port": "1911"}],
        "vllm_model_config_path": "model_config_oss.json",
        "oss_expert_mapping": {"expert-1": "org/Expert"},
    }
