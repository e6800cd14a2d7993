"""`scripts/bench WORD`: measures, and prints a table that can be kept in docs/measurements.md."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.bench import parse, prefix, relaunch, status


def main() -> None:
    """Run one of the benches."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    words = parser.add_subparsers(dest="word", required=True)
    word = words.add_parser("parse", help="parse and aggregate a log, against a Python loop over its lines")
    word.add_argument("--mib", type=float, nargs="+", default=[10.0, 100.0])
    word.add_argument("--rounds", type=int, default=3)
    word = words.add_parser("relaunch", help="from the death of a server to the start of its successor")
    word.add_argument("--rounds", type=int, default=10)
    words.add_parser("status", help="a look at 64 nodes, and squeue calls a minute (takes six minutes)")
    word = words.add_parser("prefix", help="hits in vLLM's prefix cache: sticky routing against random choice")
    word.add_argument("--replicas", type=int, default=2)
    word.add_argument("--conversations", type=int, default=24)
    word.add_argument("--turns", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if arguments.word == "parse":
            print(parse.HEAD, flush=True)
            for mib in arguments.mib:
                sample = parse.make_sample(Path(directory) / "tau2_retail.log", mib)
                print(parse.compare(sample, arguments.rounds), flush=True)
        elif arguments.word == "status":
            asyncio.run(status.measure())
        elif arguments.word == "prefix":
            print(prefix.HEAD, flush=True)
            size = (arguments.replicas, arguments.conversations, arguments.turns)
            print(prefix.measure(Path(directory), *size), flush=True)
        else:
            print(relaunch.HEAD, flush=True)
            print(relaunch.measure(Path(directory), arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
