"""The catalogue names tests that exist, and its page holds exactly its entries."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.faults import page
from tests.faults.__main__ import results_of
from tests.faults.catalogue import FAULTS

ROOT = Path(__file__).parents[2]


def test_every_entry_has_an_id_of_its_own_and_proofs_that_are_there() -> None:
    """Names are read, not collected by pytest: that loads half of the suite."""
    assert len({fault.id for fault in FAULTS}) == len(FAULTS)
    tests: dict[str, set[str]] = {}
    for proof in sorted({proof for fault in FAULTS for proof in fault.proofs}):
        path, _, name = proof.partition("::")
        if path not in tests:
            tests[path] = {
                node.name
                for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        assert name.startswith("test_") and name in tests[path], proof


def test_the_page_is_that_of_the_catalogue_with_what_was_observed() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    observed = page.read(text)
    assert list(observed) == [fault.id for fault in FAULTS]
    assert text == page.page(observed), "run scripts/faults"


def test_a_page_survives_the_way_through_its_text() -> None:
    seen = {
        fault.id: page.Observed(f"as expected in {number} cases", "today, 1") for number, fault in enumerate(FAULTS)
    }
    assert page.read(page.page(seen)) == seen


def test_a_case_that_fails_or_is_skipped_is_no_proof() -> None:
    report = """<testsuites><testsuite>
        <testcase classname="tests.test_a" name="test_x[1]"><properties><property name="kills" value="7"/></properties>
        </testcase>
        <testcase classname="tests.test_a" name="test_x[2]@screen"><failure/></testcase>
        <testcase classname="tests.test_a" name="test_y"><skipped/></testcase></testsuite></testsuites>"""
    x, y, z = (f"tests/test_a.py::test_{name}" for name in "xyz")
    results = results_of(report, [x, y, z])
    assert (results[x].passed, results[x].failed, results[x].figures) == (1, ["test_x[2]"], {"kills": "7"})
    assert not any(result.good for result in results.values())
