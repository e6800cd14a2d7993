"""`scripts/faults [ID…]`: run entries of the catalogue, and write what was observed into docs/faults.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tau2tui.version import described
from tests.faults import page
from tests.faults.catalogue import FAULTS, Fault
from tests.faults.page import Observed


def main() -> int:
    """0: everything that was run came out as expected."""
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("id", nargs="*", metavar="ID", help="entries of --list; all without one")
    parser.add_argument("--list", action="store_true", help="show the entries and run nothing")
    parser.add_argument("--fast", action="store_true", help="leave the forms out that take minutes")
    options = parser.parse_args()
    known = {fault.id: fault for fault in FAULTS}
    if unknown := set(options.id) - known.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; see scripts/faults --list")
    chosen = [known[each] for each in options.id] or list(FAULTS)
    if options.list:
        for fault in chosen:
            print(f"{fault.id:26} {fault.done}\n{'':26} → {fault.expected}")
        return 0
    observed = page.read(page.PAGE.read_text(encoding="utf-8")) if page.PAGE.exists() else {}
    results = _run_tests([proof for fault in chosen for proof in fault.proofs])
    good = True
    for fault in chosen:
        seen, passed = _seen(fault, results, fast=options.fast)
        good = good and passed
        observed[fault.id] = Observed(seen, f"{datetime.now():%Y-%m-%d}, {described()}")
        print(f"{fault.id:26} {seen}", flush=True)
        page.PAGE.write_text(page.page(observed), encoding="utf-8")
    return 0 if good else 1


class Result:
    """All cases of one proof."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []
        self.figures: dict[str, str] = {}

    @property
    def good(self) -> bool:
        return bool(self.passed) and not self.failed


def _run_tests(proofs: Sequence[str]) -> dict[str, Result]:
    """Run tests, each once however many entries it proves; by proof, what came of it."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "junit.xml"
        words = ("-q", "-p", "no:cacheprovider", "--numprocesses", "4", "--dist", "loadgroup", f"--junitxml={report}")
        pytest.main([*words, *dict.fromkeys(proofs)])
        return results_of(report.read_text(encoding="utf-8"), proofs)


def results_of(report: str, proofs: Sequence[str]) -> dict[str, Result]:
    """Read a report of pytest: the cases of each proof, whatever their parameters, and the figures that they told."""
    results = {proof: Result() for proof in proofs}
    for case in ElementTree.fromstring(report).iter("testcase"):  # our own pytest wrote it
        name = case.get("name", "").partition("@")[0]  # xdist adds the group of a test
        proof = f"{case.get('classname', '').replace('.', '/')}.py::{name.partition('[')[0]}"
        if proof not in results:
            continue
        if case.find("failure") is None and case.find("error") is None and case.find("skipped") is None:
            results[proof].passed += 1
        else:
            results[proof].failed.append(name)
        for told in case.iter("property"):
            results[proof].figures[str(told.get("name"))] = str(told.get("value"))
    return results


def _seen(fault: Fault, results: dict[str, Result], *, fast: bool) -> tuple[str, bool]:
    """What was observed of an entry, in words, and whether it is what was expected."""
    mine = [results[proof] for proof in fault.proofs]
    failed = [name for result in mine for name in result.failed]
    failed += [proof for proof in fault.proofs if not results[proof].passed and not results[proof].failed]
    figures: dict[str, object] = {name: figure for result in mine for name, figure in result.figures.items()}
    if fault.longer is not None and not fast:
        with tempfile.TemporaryDirectory() as directory:
            try:
                figures = dict(fault.longer(Path(directory)))
            except AssertionError:
                traceback.print_exc()
                failed.append(fault.longer.__name__)
    if failed:
        return f"**not as expected**: {', '.join(failed)}", False
    cases = sum(result.passed for result in mine)
    told = ", ".join(f"{name}: {figure}" for name, figure in figures.items())
    form = " of the short form" if fault.longer is not None and fast else ""
    return f"as expected in {cases} case{'s' if cases > 1 else ''}{form}" + (f"; {told}" if told else ""), True


if __name__ == "__main__":
    sys.exit(main())
