"""The fleet as of an earlier moment: what was sampled then is shown, loudly marked, and nothing can be changed."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from tau2tui.core.model import Load
from tau2tui.tui.screens.detail import DetailScreen
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.widgets.fleet_table import FleetTable
from tests.sample import NOW
from tests.tui.driving import WatchedApp, run_on, screen_text, shows, tells, until
from tests.tui.fakes import FakeCluster, busy_cluster, keep_samples, make_ops, seed_config

pytestmark = pytest.mark.slow


def sampled_cluster() -> FakeCluster:
    """The seed's fleet in the middle of an evaluation, two replicas of which were sampled for two hours."""
    cluster = busy_cluster()
    keep_samples(cluster)
    return cluster


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Copies of samples go nowhere else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def cell(app: WatchedApp, replica: str, title: str) -> str:
    table = app.get_screen("fleet").query_one(FleetTable)
    row = next(row for row in range(table.row_count) if replica in table.drawn_row(row))
    return table.drawn_row(row)[list(table.titles).index(title)]


def at(ago_s: float) -> str:
    return f"{datetime.fromtimestamp(NOW - ago_s):%H:%M:%S}"


async def test_a_step_back_shows_what_was_sampled_last_and_says_so_before_all_else() -> None:
    async with run_on(make_ops(sampled_cluster())) as (app, pilot):
        await pilot.press("less_than_sign")
        await shows(pilot, f"AS OF {at(10)}, 10s ago: acts are off")
        assert screen_text(app).splitlines()[0].strip().startswith(f"AS OF {at(10)}")
        assert cell(app, "orchestrator-0", "RUN/WAIT") == "5/1"
        assert cell(app, "orchestrator-0", "TOK/S") == "90" and cell(app, "orchestrator-0", "KV") == "25%"
        assert cell(app, "orchestrator-0", "STATE") == "● ready"
        assert cell(app, "expert-1-0", "STATE") == "? unknown" and cell(app, "expert-1-0", "KV") == "–"


async def test_steps_follow_each_other_however_fast_the_keys_come_and_end_at_now() -> None:
    async with run_on(make_ops(sampled_cluster())) as (app, pilot):
        await pilot.press(*["less_than_sign"] * 5)
        await shows(pilot, f"AS OF {at(50)}")
        assert cell(app, "orchestrator-0", "RUN/WAIT") == "5/5"
        await pilot.press("greater_than_sign", "greater_than_sign")
        await shows(pilot, f"AS OF {at(30)}")
        await pilot.press(*["greater_than_sign"] * 4)
        await until(pilot, lambda: "AS OF" not in screen_text(app))
        assert cell(app, "orchestrator-0", "RUN/WAIT") == "3/0"


async def test_a_time_that_is_typed_is_gone_to_from_any_screen_and_a_point_leads_back() -> None:
    async with run_on(make_ops(sampled_cluster())) as (app, pilot):
        await pilot.press("2", "colon", *f"at {at(3600)[:5]}", "enter")
        moment = datetime.fromtimestamp(NOW - 3600).replace(second=0)
        await shows(pilot, f"AS OF {moment:%H:%M:%S}, ")
        ago_s = NOW - moment.timestamp()
        assert cell(app, "orchestrator-0", "RUN/WAIT").split("/")[1] in (f"{ago_s // 10:.0f}", f"{ago_s // 10 + 1:.0f}")
        await pilot.press("2")
        await shows(pilot, f"FLEET AS OF {moment:%H:%M:%S}", "481498")
        await pilot.press("full_stop")
        await until(pilot, lambda: "AS OF" not in screen_text(app))


async def test_ten_minutes_are_one_key() -> None:
    async with run_on(make_ops(sampled_cluster())) as (app, pilot):
        await pilot.press("left_parenthesis", "left_parenthesis", "left_parenthesis")
        await shows(pilot, f"AS OF {at(1800)}, 30m00s ago")
        await pilot.press("right_parenthesis")
        await shows(pilot, f"AS OF {at(1200)}")
        await pilot.press("right_parenthesis", "right_parenthesis")
        await until(pilot, lambda: "AS OF" not in screen_text(app))


async def test_a_failed_scrape_is_shown_as_what_it_was() -> None:
    async with run_on(make_ops(sampled_cluster())) as (app, pilot):
        await pilot.press("colon", *f"at {at(2000)}", "enter")
        await shows(pilot, f"AS OF {at(2000)}")
        assert cell(app, "orchestrator-1", "STATE") == "? unknown"
        await pilot.press("j")
        await shows(pilot, "/metrics: timed out, 0 s before")
        assert cell(app, "orchestrator-1", "RUN/WAIT") == "–" and cell(app, "orchestrator-0", "RUN/WAIT") == "5/200"


@pytest.mark.parametrize("keys", ["R", "K", ":launch", ":stop-all"])
async def test_nothing_is_changed_while_another_moment_is_shown(keys: str) -> None:
    cluster = sampled_cluster()
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("less_than_sign")
        await shows(pilot, "AS OF")
        typed = ("colon", *keys[1:], "enter") if keys.startswith(":") else (keys,)
        await pilot.press(*typed)
        await until(pilot, lambda: any("not at now" in said or "not now" in said for said in app.told))
        assert not isinstance(app.screen, ReviewScreen) and cluster.requests == [] and cluster.commands == []
        await pilot.press("full_stop")
        await until(pilot, lambda: "AS OF" not in screen_text(app))
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))


async def test_the_keys_that_are_named_while_another_moment_is_shown_are_those_that_work() -> None:
    async with run_on(make_ops(sampled_cluster())) as (app, pilot):
        await shows(pilot, "R Relaunch", "K Stop")
        await pilot.press("less_than_sign")
        await shows(pilot, "AS OF", "< Earlier", "> Later", ". Now", "l Log")
        assert not any(words in screen_text(app) for words in ("R Relaunch", "K Stop"))
        await pilot.press("2")
        await shows(pilot, "FLEET AS OF", ". Now", "d Detail")
        assert not any(words in screen_text(app) for words in ("R Submit again", "H Hand over", "K Stop"))
        await pilot.press("full_stop", "1")
        await shows(pilot, "R Relaunch", "K Stop")
        assert "< Earlier" not in screen_text(app)


async def test_what_comes_of_now_does_not_change_what_was() -> None:
    cluster = sampled_cluster()
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        await pilot.press("left_parenthesis")
        await shows(pilot, f"AS OF {at(600)}")
        cluster.change("orchestrator-0", load=Load(running=99.0, waiting=98.0, kv_cache=0.97))
        await ops.look()
        await pilot.pause()
        assert cell(app, "orchestrator-0", "RUN/WAIT") == "5/60"


@pytest.mark.parametrize(
    ("typed", "said"), [("at soon", "is no time"), ("at 2099-01-01 00:00", "still to come"), ("at 03:", "is no time")]
)
async def test_what_is_no_time_of_the_past_is_said(typed: str, said: str) -> None:
    async with run_on(make_ops(sampled_cluster())) as (app, pilot):
        await pilot.press("colon", *typed, "enter")
        await tells(pilot, app, said)
        assert "AS OF" not in screen_text(app)


async def test_without_samples_before_it_a_step_goes_nowhere() -> None:
    async with run_on(make_ops(FakeCluster(seed_config()))) as (app, pilot):
        await pilot.press("less_than_sign")
        await tells(pilot, app, "no sample of orchestrator-0")
        assert "AS OF" not in screen_text(app)


async def test_the_last_hour_of_the_replica_stands_below_the_table_and_in_its_details() -> None:
    async with run_on(make_ops(sampled_cluster()), size=(120, 40)) as (app, pilot):
        await shows(pilot, "KV", "25% max 25%", "WAIT", "TOK/S", "5XX/MIN")
        lines = [line for line in screen_text(app).splitlines() if "WAIT" in line and "max" in line]
        assert "█" in lines[0] and "▁" in lines[0], "an hour ago more waited"
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        await shows(pilot, "waiting", "wait, 1 h")


async def test_the_last_hour_is_that_before_the_moment_that_is_shown() -> None:
    async with run_on(make_ops(sampled_cluster()), size=(120, 40)) as (_, pilot):
        await pilot.press("colon", *f"at {at(3600)}", "enter")
        await shows(pilot, f"AS OF {at(3600)}", "362 max 716")


async def test_a_gap_is_a_gap_in_the_line() -> None:
    async with run_on(make_ops(sampled_cluster()), size=(200, 45)) as (app, pilot):
        await pilot.press("j")
        await shows(pilot, "RUN ", "5 max 5")
        line = next(line for line in screen_text(app).splitlines() if "5 max 5" in line)
        assert re.search("█ +█", line), line
