"""Fuzz targets, one after the other: for crashes, hangs, and memory without bounds."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import ROOT, TARGETS

HANG_S = 10
"""An input that takes longer than this has hung, even on a machine that is shared."""
MEMORY_MIB = 1024
LENGTH = 4096
WORDS = 500
"""Of the corpus, that mutations put in whole."""


def main() -> int:
    """0: nothing was found. Else the input that broke it stands in the directory of --keep."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all without one")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations; 0 is another one each time")
    parser.add_argument("--keep", type=Path, default=ROOT / ".fuzz", help="where inputs that break something are put")
    options = parser.parse_args()
    if unknown := set(options.target) - set(TARGETS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    options.keep.mkdir(exist_ok=True, parents=True)
    if len(options.target) == 1:
        _fuzz(options.target[0], options.seconds, options.seed, options.keep)
    words = ("--seconds", str(options.seconds), "--seed", str(options.seed), "--keep", str(options.keep))
    statuses = [
        subprocess.run([sys.executable, "-m", "tests.fuzz", name, *words], check=False).returncode
        for name in options.target or TARGETS
    ]
    return max(map(abs, statuses), default=0)


def _fuzz(name: str, seconds: int, seed: int, keep: Path) -> None:
    """Never returns: libFuzzer ends the process, and what has to be cleaned up lies in a directory of the system's."""
    import atheris

    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    target = TARGETS[name]
    with atheris.instrument_imports(include=["tau2tui"]):
        attempt = target.make()
    corpus = Path(tempfile.mkdtemp(prefix="tau2tui-fuzz-"))
    words: set[bytes] = set()
    for number, data in enumerate(target.corpus(name)):
        (corpus / f"{number:04d}").write_bytes(data)
        words.update(re.findall(rb"[A-Za-z_]{3,24}", data))
    dictionary = corpus.with_suffix(".words")
    dictionary.write_text("".join(f'"{word.decode()}"\n' for word in sorted(words)[:WORDS]))
    settings = {
        "max_total_time": seconds,
        "timeout": HANG_S,
        "rss_limit_mb": MEMORY_MIB,
        "max_len": LENGTH,
        "seed": seed,
        "dict": str(dictionary),
        "artifact_prefix": f"{keep}/{name}-",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    atheris.Setup([name, *(f"-{key}={value}" for key, value in settings.items()), str(corpus)], attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
