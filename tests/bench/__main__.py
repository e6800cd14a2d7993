"""`scripts/bench WORD`: measures, and prints a table that can be kept in docs/measurements.md."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.bench import harness, kills, parse, relaunch


def main() -> None:
    """Run one of the benches."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    words = parser.add_subparsers(dest="word", required=True)
    word = words.add_parser("parse", help="parse and aggregate a log, against a Python loop over its lines")
    word.add_argument("--mib", type=float, nargs="+", default=[10.0, 100.0])
    word.add_argument("--rounds", type=int, default=3)
    word = words.add_parser("relaunch", help="from the death of a server to the start of its successor")
    word.add_argument("--rounds", type=int, default=10)
    word = words.add_parser("harness", help="our driver against tau2's own runner, on the same servers")
    word.add_argument("--at-once", type=int, nargs="+", default=[1, 16, 128])
    word.add_argument("--latency-s", type=float, default=0.5, help="how long a server takes for an answer")
    word = words.add_parser("kills", help="a driver that is killed again and again, against one that is not")
    word.add_argument("--kills", type=int, default=100)
    word.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if arguments.word == "parse":
            print(parse.HEAD, flush=True)
            for mib in arguments.mib:
                sample = parse.make_sample(Path(directory) / "tau2_retail.log", mib)
                print(parse.compare(sample, arguments.rounds), flush=True)
        elif arguments.word == "harness":
            harness.write_script(Path(directory) / "script.json")
            print(harness.STEP_HEAD, flush=True)
            for row in harness.cost_of_a_step(Path(directory), tasks=32):
                print(row, flush=True)
            print(harness.THROUGHPUT_HEAD, flush=True)
            for at_once in arguments.at_once:
                print(harness.throughput(Path(directory), at_once, arguments.latency_s), flush=True)
        elif arguments.word == "kills":
            print(kills.HEAD, flush=True)
            print(kills.measure(Path(directory), arguments.kills, arguments.seed), flush=True)
        else:
            print(relaunch.HEAD, flush=True)
            print(relaunch.measure(Path(directory), arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
