"""`scripts/bench WORD`: measures, and prints a table that can be kept in docs/measurements.md."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from tests.bench import (
    diagnosis,
    eta,
    harness,
    history,
    kills,
    load,
    logs,
    operators,
    parse,
    prefix,
    probes,
    rehearsal,
    relaunch,
    report,
    routing,
    screens,
    status,
    tail,
)


def main() -> None:
    """Run one of the benches. One that is ended takes along what it has started, and its files."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    with tempfile.TemporaryDirectory() as directory:
        for line in measured(_arguments(), Path(directory)):
            print(line, flush=True)


def _end(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # what is being ended is not left half way
    sys.exit(128 + number)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    words = parser.add_subparsers(dest="word", required=True)
    word = words.add_parser("parse", help="parse and aggregate a log, against a Python loop over its lines")
    word.add_argument("--mib", type=float, nargs="+", default=[10.0, 100.0])
    word.add_argument("--rounds", type=int, default=3)
    word.add_argument("--any-order", action="store_true", help="keys in random order too")
    word = words.add_parser("tail", help="follow a log that grows, against reading it again")
    word.add_argument("--mib", type=float, default=300.0, help="of history")
    word.add_argument("--rounds", type=int, default=2)
    word = words.add_parser("eta", help="the estimate of the time left over generated runs, against elapsed / done")
    word.add_argument("--runs", type=int, default=60, help="of each kind")
    word.add_argument("--seed", type=int, default=1)
    word.add_argument("--family", action="store_true", help="also against who knows how all runs are made up (slow)")
    word = words.add_parser("relaunch", help="from the death of a server to the start of its successor")
    word.add_argument("--rounds", type=int, default=10)
    words.add_parser("status", help="a look at 64 nodes, and squeue calls a minute (takes six minutes)")
    word = words.add_parser("prefix", help="hits in vLLM's prefix cache: sticky routing against random choice")
    word.add_argument("--replicas", type=int, default=2)
    word.add_argument("--conversations", type=int, default=24)
    word.add_argument("--turns", type=int, default=8)
    word = words.add_parser("harness", help="our driver against tau2's own runner, on the same servers")
    word.add_argument("--at-once", type=int, nargs="+", default=[1, 16, 128])
    word.add_argument("--latency-s", type=float, default=0.5, help="how long a server takes for an answer")
    word = words.add_parser("kills", help="a driver that is killed again and again, against one that is not")
    word.add_argument("--kills", type=int, default=100)
    word.add_argument("--seed", type=int, default=1)
    word = words.add_parser("rehearsal", help="all tasks with the practice fleet, without faults and with them")
    word.add_argument("--num-tasks", type=int, help="of each domain, instead of all")
    word.add_argument("--max-concurrency", type=int, default=16)
    word.add_argument("--speed", type=float, default=200.0)
    word.add_argument("--rate", type=float, default=0.05)
    word.add_argument("--kill-every-s", type=float, default=60.0)
    word = words.add_parser("report", help="a report with its charts and without, and the errors beside the parsing")
    word.add_argument("--rounds", type=int, default=3)
    word = words.add_parser("routing", help="calls per second while one of four replicas is killed and brought back")
    word.add_argument("--seconds", type=float, default=15.0)
    word.add_argument("--speed", type=float, default=1.0)
    word = words.add_parser("diagnose", help="a large log searched for failures, against one compiled alternation")
    word.add_argument("--mib", type=float, nargs="+", default=[50.0])
    word.add_argument("--rounds", type=int, default=2)
    word = words.add_parser("logs", help="a large log opened at its end, on a terminal, against tail and toolong")
    word.add_argument("--mib", type=int, default=1024)
    word.add_argument("--rounds", type=int, default=3)
    word.add_argument("--toolong", default="", help="the program `tl` of toolong, where it is installed")
    word.add_argument("--quiet-s", type=float, default=20.0, help="how long CPU time is measured while nothing happens")
    word = words.add_parser("probes", help="a sweep over endpoints, some broken, against one after the other")
    word.add_argument("--endpoints", type=int, default=512)
    word.add_argument("--broken", type=int, default=26, help="refused, black holes, 500, slow, garbage, silent")
    word.add_argument("--timeout-s", type=float, default=2.0)
    word.add_argument("--at-once", type=int, default=64)
    word = words.add_parser("history", help="what a day of samples of 32 servers costs")
    word.add_argument("--hours", type=float, default=24.0)
    word = words.add_parser("load", help="the load generator on a server that answers at once, against bare requests")
    word.add_argument("--at-once", type=int, nargs="+", default=[1, 16, 64, 256])
    word.add_argument("--requests", type=int, default=2000)
    word = words.add_parser("screens", help="paint, keys, idle, memory and stalls of the screens, against DataTable")
    word.add_argument("--keys", type=int, default=200)
    word.add_argument("--idle-s", type=float, default=20.0)
    word.add_argument("--refreshes", type=int, default=3600)
    word.add_argument("--only", nargs="+", default=[], help="paint, keys, tables, idle, memory, stalls")
    word.add_argument("--lazyslurm", type=Path, help="its executable, to be measured beside the Jobs screen")
    return parser.parse_args()


def measured(said: argparse.Namespace, directory: Path) -> Iterator[str]:
    """The lines of a bench, as they are measured."""
    match said.word:
        case "parse":
            orders = (False, True) if said.any_order else (False,)
            yield parse.HEAD
            for mib in said.mib:
                for shuffled in orders:
                    sample = parse.make_sample(directory / "tau2_retail.log", mib, shuffled=shuffled)
                    yield parse.compare(sample, said.rounds)
            yield parse.COMMAND_HEAD
            for mib in said.mib:
                sample = parse.make_sample(directory / "tau2_retail.log", mib)
                yield parse.compare_commands(sample, said.rounds)
            yield parse.CACHE_HEAD
            for mib in said.mib:
                sample = parse.make_sample(directory / "tau2_retail.log", mib)
                yield parse.reopen(sample, directory, said.rounds)
        case "tail":
            yield tail.HEAD
            yield from tail.measure(directory, said.mib, said.rounds)
        case "eta":
            yield eta.HEAD
            made = eta.backtest(said.runs, said.seed, family=said.family)
            yield from eta.rows(made)
            if said.family:
                yield eta.FAMILY_HEAD
                yield from eta.rows(made, eta.family_row)
            yield eta.COST_HEAD
            yield eta.cost(made)
        case "relaunch":
            yield relaunch.HEAD
            yield relaunch.measure(directory, said.rounds)
        case "report":
            yield report.HEAD
            yield from report.measure(directory, said.rounds)
        case "status":
            asyncio.run(status.measure())
        case "prefix":
            yield prefix.HEAD
            yield prefix.measure(directory, said.replicas, said.conversations, said.turns)
        case "harness":
            harness.write_script(directory / "script.json")
            yield harness.STEP_HEAD
            yield from harness.cost_of_a_step(directory, tasks=32)
            yield harness.THROUGHPUT_HEAD
            for at_once in said.at_once:
                yield harness.throughput(directory, at_once, said.latency_s)
        case "kills":
            yield kills.HEAD
            yield kills.measure(directory, said.kills, said.seed)
        case "rehearsal":
            yield rehearsal.HEAD
            faults = rehearsal.Faults(said.rate, said.kill_every_s)
            how = {name: getattr(said, name) for name in ("num_tasks", "max_concurrency", "speed")}
            yield from rehearsal.compare(directory, faults, **how)
        case "logs":
            yield logs.HEAD
            yield from logs.measure(directory, said.mib, said.rounds, said.toolong, said.quiet_s)
        case "history":
            yield history.HEAD
            for how_busy, requests in (("idle", 0.0), ("5 requests in 10 s", 5.0), ("20 requests in 10 s", 20.0)):
                yield history.measure(directory, how_busy, requests, said.hours)
        case "probes":
            yield probes.HEAD
            yield probes.measure(said.endpoints, said.broken, said.timeout_s, said.at_once)
        case "routing":
            yield routing.HEAD
            yield routing.rows(routing.measure(directory / "run", said.seconds, said.speed))
        case "load":
            yield load.HEAD
            yield from load.rows(said.at_once, said.requests)
        case "screens":
            if said.lazyslurm:
                yield from operators.compare(directory, said.lazyslurm)
            else:
                yield from screens.measure(directory, said.keys, said.idle_s, said.refreshes, said.only)
        case "diagnose":
            yield diagnosis.HEAD
            for mib in said.mib:
                yield diagnosis.compare(diagnosis.make_log(directory / "expert-1-0.1.log", mib), said.rounds)


if __name__ == "__main__":
    main()
