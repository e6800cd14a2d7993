"""The pages of the documentation: they build without a warning, hold together, and fetch nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.commands import ROOT

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FETCHED = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)="((?:https?:)?//[^"]*)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built strictly: every page stands in the navigation, every link and every anchor leads somewhere."""
    made = tmp_path_factory.mktemp("site")
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(made)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return made


def test_every_page_becomes_one_and_the_front_page_leads_to_it(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    assert {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")} == {*pages, Path("404")}
    front = (site / "index.html").read_text(encoding="utf-8")
    missing = [str(page) for page in pages if page.name != "index" and f'href="{page.as_posix()}.html"' not in front]
    assert missing == []


def test_reading_a_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    assert [
        found for path in site.rglob("*.html") for found in _FETCHED.findall(path.read_text(encoding="utf-8"))
    ] == []


def test_markers_of_commands_are_not_seen(site: Path) -> None:
    for path in site.rglob("*.html"):
        shown = re.sub(r"<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert "commands: parse" not in shown and "commands: run" not in shown, path


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_of_pages_outside_the_documentation_lead_to_files_and_headings(page: str) -> None:
    links = [link for link in _LINK.findall((ROOT / page).read_text(encoding="utf-8")) if "://" not in link]
    assert links
    for link in links:
        name, _, anchor = link.partition("#")
        assert (ROOT / name).is_file(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}, link


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
