"""`scripts/bench WORD`: measures, and prints a table that can be kept in docs/measurements.md."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.bench import parse, rehearsal, relaunch, routing


def main() -> None:
    """Run one of the benches."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    words = parser.add_subparsers(dest="word", required=True)
    word = words.add_parser("parse", help="parse and aggregate a log, against a Python loop over its lines")
    word.add_argument("--mib", type=float, nargs="+", default=[10.0, 100.0])
    word.add_argument("--rounds", type=int, default=3)
    word = words.add_parser("relaunch", help="from the death of a server to the start of its successor")
    word.add_argument("--rounds", type=int, default=10)
    word = words.add_parser("rehearsal", help="all tasks with the practice fleet, without faults and with them")
    word.add_argument("--num-tasks", type=int, help="of each domain, instead of all")
    word.add_argument("--max-concurrency", type=int, default=16)
    word.add_argument("--speed", type=float, default=200.0)
    word.add_argument("--rate", type=float, default=0.05)
    word.add_argument("--kill-every-s", type=float, default=60.0)
    word = words.add_parser("routing", help="calls per second while one of four replicas is killed and brought back")
    word.add_argument("--seconds", type=float, default=15.0)
    word.add_argument("--speed", type=float, default=1.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if arguments.word == "parse":
            print(parse.HEAD, flush=True)
            for mib in arguments.mib:
                sample = parse.make_sample(Path(directory) / "tau2_retail.log", mib)
                print(parse.compare(sample, arguments.rounds), flush=True)
        elif arguments.word == "routing":
            phases = routing.measure(Path(directory) / "run", arguments.seconds, arguments.speed)
            print("\n".join([routing.HEAD, routing.rows(phases)]), flush=True)
        elif arguments.word == "rehearsal":
            how = {name: getattr(arguments, name) for name in ("num_tasks", "max_concurrency", "speed")}
            faults = rehearsal.Faults(arguments.rate, arguments.kill_every_s)
            rows = list(rehearsal.compare(Path(directory), faults, **how))
            print("\n".join([rehearsal.HEAD, *rows]), flush=True)
        else:
            print(relaunch.HEAD, flush=True)
            print(relaunch.measure(Path(directory), arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
