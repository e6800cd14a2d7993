"""`scripts/bench WORD`: measures, and prints a table that can be kept in docs/benchmarks.md."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.bench.parse import compare, make_sample

HEAD = """\
| log | events | seed's way s | ours s | ratio | speed | peak memory |
|--:|--:|--:|--:|--:|--:|--:|"""


def main() -> None:
    """Run one of the benches."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    words = parser.add_subparsers(dest="word", required=True)
    parse = words.add_parser("parse", help="parse and aggregate a log, against a Python loop over its lines")
    parse.add_argument("--mib", type=float, nargs="+", default=[10.0, 100.0])
    parse.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as directory:
        for mib in arguments.mib:
            sample = make_sample(Path(directory) / "tau2_retail.log", mib)
            print(compare(sample, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
