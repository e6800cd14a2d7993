from __future__ import annotations

from dataclasses import replace

import pytest

from tau2tui.core.model import EvalState, Phase
from tau2tui.errors import ConfigError, Refused, Unreachable
from tau2tui.load.generator import Endpoint
from tau2tui.load.target import expert_target, is_url, url_endpoint
from tau2tui.ops import Ops
from tests.tui.fakes import FakeCluster, make_ops, running_evaluation, seed_config


async def looked_at(cluster: FakeCluster) -> Ops:
    ops = make_ops(cluster)
    await ops.look()
    return ops


@pytest.fixture
def cluster() -> FakeCluster:
    made = FakeCluster(seed_config())
    made.start_fleet()
    return made


async def test_the_load_goes_to_the_ready_replicas_of_the_expert_alone(cluster: FakeCluster) -> None:
    cluster.change("expert-1-0", phase=Phase.FAILED)
    cluster.change("expert-1-1", phase=Phase.DEGRADED)
    async with expert_target(await looked_at(cluster), "expert-1", None, force=False) as target:
        names = [endpoint.name for endpoint in target.endpoints]
        wanted = [name for name, seen in cluster.replicas.items() if seen.expert == "expert-1"][2:]
        assert names == wanted and target.model == cluster.config.experts["expert-1"].model
        seen = cluster.replicas[names[0]]
        assert target.endpoints[0].url == f"http://{seen.address}:{seen.port}/v1"


async def test_an_evaluation_that_goes_on_is_not_disturbed_unless_forced(cluster: FakeCluster) -> None:
    cluster.evaluation = running_evaluation(cluster.clock())
    ops = await looked_at(cluster)
    with pytest.raises(Refused, match="running") as told:
        async with expert_target(ops, "expert-1", None, force=False):
            pass
    assert "--force" in told.value.hint
    async with expert_target(ops, "expert-1", None, force=True) as target:
        assert target.endpoints


@pytest.mark.parametrize("how", ["over", "silent"])
async def test_an_evaluation_that_is_over_or_dead_is_no_reason_to_refuse(cluster: FakeCluster, how: str) -> None:
    begun = running_evaluation(cluster.clock())
    changes = {"over": {"state": EvalState.FINISHED}, "silent": {"updated_at": cluster.clock() - 3600}}
    cluster.evaluation = replace(begun, **changes[how])  # type: ignore[arg-type]
    async with expert_target(await looked_at(cluster), "expert-1", None, force=False) as target:
        assert target.endpoints


async def test_what_is_not_known_is_not_taken_for_no_evaluation(cluster: FakeCluster) -> None:
    cluster.run_error = "the file system does not answer"
    with pytest.raises(Unreachable, match="does not answer"):
        async with expert_target(await looked_at(cluster), "expert-1", None, force=False):
            pass


async def test_an_expert_without_a_ready_replica_or_that_does_not_exist_is_refused(cluster: FakeCluster) -> None:
    for name, seen in list(cluster.replicas.items()):
        if seen.expert == "expert-2":
            cluster.change(name, phase=Phase.STARTING)
    ops = await looked_at(cluster)
    with pytest.raises(Refused, match="no replica of expert-2 is ready"):
        async with expert_target(ops, "expert-2", None, force=False):
            pass
    with pytest.raises(ConfigError, match="expert-9"):
        async with expert_target(ops, "expert-9", None, force=False):
            pass


def test_a_url_without_a_path_is_that_of_the_api() -> None:
    assert url_endpoint("http://h:1/") == Endpoint("http://h:1", "http://h:1/v1")
    assert url_endpoint("https://h/openai/v1").url == "https://h/openai/v1"
    assert url_endpoint("https://h/api/v3/").url == "https://h/api/v3"
    assert is_url("http://h") and not is_url("expert-1")


@pytest.mark.parametrize(
    "url", ["http://", "http://h:99999", "http://h:0", "http://user:word@h/v1", "http://user:word@h:99999"]
)
def test_a_url_that_is_none_or_holds_a_password_is_refused_without_it(url: str) -> None:
    with pytest.raises(ConfigError) as told:
        url_endpoint(url)
    assert "word@" not in str(told.value)
