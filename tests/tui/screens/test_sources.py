"""The sources on the screen: how old, at what cost, and what ails them."""

from __future__ import annotations

from tau2tui.remote.command_log import CommandRecord
from tau2tui.tui.screens.detail import DetailScreen
from tau2tui.tui.widgets.command_table import CommandTable
from tau2tui.tui.widgets.source_table import SourceTable
from tests.tui.driving import look, run_on, shows, until
from tests.tui.fakes import FakeCluster, make_ops, seed_config


async def test_a_source_that_fails_is_stale_with_its_error_and_its_count() -> None:
    cluster = FakeCluster(seed_config())
    cluster.start_fleet()
    ops = make_ops(cluster)
    async with run_on(ops, size=(140, 36)) as (app, pilot):
        await pilot.press("8")
        table = app.screen.query_one(SourceTable)
        assert [table.drawn_row(row)[:2] for row in range(2)] == [["● fresh", "SLURM"], ["● fresh", "run directory"]]
        cluster.queue_error = "squeue: error: Unable to contact slurm controller"
        cluster.clock.now += 42
        await look(ops, pilot)
        row = table.drawn_row(0)
        assert row[:3] == ["▲ stale", "SLURM", "42s"]
        assert row[-1].startswith("SLURM: squeue: error")
        assert ops.polls["jobs"].failed == 1
        cluster.queue_error = ""
        await look(ops, pilot)
        assert table.drawn_row(0)[0] == "● fresh"


async def test_polling_is_paused_and_goes_on_by_the_same_key() -> None:
    cluster = FakeCluster(seed_config())
    ops = make_ops(cluster)
    async with run_on(ops, size=(140, 36)) as (app, pilot):
        await pilot.press("8", "P")
        await until(pilot, lambda: ops.paused)
        table = app.screen.query_one(SourceTable)
        await until(pilot, lambda: table.drawn_row(0)[7] == "paused")
        await pilot.press("P")
        await until(pilot, lambda: not ops.paused)


async def test_commands_are_shown_as_they_can_be_typed_again() -> None:
    ops = make_ops(FakeCluster(seed_config()))
    ops.shell.commands.records.append(CommandRecord(1_767_085_200.0, ("squeue", "--me", "-o", "%A %T"), 38.2, 0))
    ops.shell.commands.records.append(CommandRecord(1_767_085_201.0, ("sbatch", "x"), 5000.0, None, "no answer"))
    async with run_on(ops, size=(140, 36)) as (app, pilot):
        await pilot.press("8")
        table = app.screen.query_one(CommandTable)
        assert table.drawn_row(0)[1:] == ["5.00s", "–", "sbatch x", "no answer"]
        assert table.drawn_row(1)[1:4] == ["38ms", "0", "squeue --me -o '%A %T'"]
        table.focus()
        await pilot.press("j", "Y")
        await until(pilot, lambda: app.clipboard == "squeue --me -o '%A %T'")
        await shows(pilot, "2 commands on login1")


async def test_d_shows_the_row_of_the_table_that_has_the_focus() -> None:
    async with run_on(make_ops(FakeCluster(seed_config())), size=(140, 36)) as (app, pilot):
        await pilot.press("8")
        app.screen.query_one(CommandTable).focus()
        app.screen.query_one(CommandTable).show_commands((CommandRecord(0.0, ("squeue", "--me"), 12.0, 0),))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        await shows(pilot, "─ command ─")
