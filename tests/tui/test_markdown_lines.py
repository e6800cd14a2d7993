"""Markdown as lines: laid out, and never more than text."""

from __future__ import annotations

import itertools

from rich.cells import cell_len

from tau2tui.tui.format import Tone
from tau2tui.tui.markdown_lines import Line, markdown_lines, plain_text_lines

REPORT = """\
# Experiment report: run

Written **2026-01-02** by [somebody](https://example.org/x) with `tau2tui`, in a sentence longer than the screen.

## Results

| domain | passed | rate |
|---|---:|---:|
| retail | 25 | 45.5 % |
| a name with \\| a bar | 7 | – |

- one
- two, which goes on and on until there is no more room for it in the line
  1. nested

> quoted

```
code   stays  as it is
```

---

![orchestrator](profile_charts/orchestrator.png)
"""


def plain(lines: tuple[Line, ...]) -> list[str]:
    return ["".join(words for words, _ in line).rstrip() for line in lines]


def test_a_report_is_laid_out_for_the_width() -> None:
    lines = plain(markdown_lines(REPORT, 48))
    assert lines[:2] == ["Experiment report: run", "━" * 22]
    assert lines[3] == "Written 2026-01-02 by somebody"
    assert " (https://example.org/x) with tau2tui, in a" in " " + lines[4]
    assert f"{'retail':19}  {25:6}  45.5 %" in lines
    assert f"a name with | a bar  {7:6}       –" in lines
    assert "· two, which goes on and on until there is no" in lines
    assert "  more room for it in the line" in lines
    assert "  1. nested" in lines
    assert "│ quoted" in lines
    assert "  code   stays  as it is" in lines
    assert "─" * 48 in lines
    assert lines[-1] == "[picture: profile_charts/orchestrator.png]"
    assert not any(before == after == "" for before, after in itertools.pairwise(lines))


def test_prose_keeps_to_the_width_and_loses_no_word() -> None:
    words = " ".join(f"word{number}" for number in range(200)) + " " + "x" * 100 + " 漢字" * 30
    for width in (20, 33, 79):
        lines = plain(markdown_lines(words, width))
        assert max(map(cell_len, lines)) <= width
        assert "".join(lines).replace(" ", "") == words.replace(" ", "")


def test_headings_stand_out_and_a_table_without_titles_has_no_line() -> None:
    lines = markdown_lines("## Overview\n\n| | |\n|---|---|\n| Run | 7 |\n", 60)
    assert lines[0] == (("Overview", Tone.ACCENT),)
    assert plain(lines)[2:] == ["Run  7"]


def test_nothing_in_a_report_is_markup_or_leads_anywhere() -> None:
    evil = "<script>alert(1)</script> [red]x[/red] [a](javascript:x) <https://e.org> &lt; \x1b]0;t\x07\n\n<b>bold</b>\n"
    lines = plain(markdown_lines(evil, 200))
    assert lines[0].startswith("<script>alert(1)</script> [red]x[/red] ")
    assert "<b>bold</b>" in lines
    assert "https://e.org (https://e.org)" in lines[0]
    assert all(type(words) is str for line in markdown_lines(evil, 200) for words, _ in line)


def test_a_huge_cell_is_cut_and_a_ragged_table_survives() -> None:
    lines = plain(markdown_lines(f"| a | b |\n|---|---|\n| {'x' * 500} |\n| 1 | 2 | 3 |\n", 80))
    assert max(map(len, lines)) < 80
    assert any(line.startswith("x" * 59 + "…") for line in lines)


def test_nothing_is_no_line() -> None:
    assert markdown_lines("", 80) == ()


def test_text_that_is_laid_out_stays_so_and_long_sentences_are_wrapped() -> None:
    table = "  mean   6179   7018  +838.4   -562.6 … +2235"
    lines = plain(plain_text_lines(f"{table}\n\n{'word ' * 40}", 60))
    assert lines[:2] == [table, ""]
    assert max(map(len, lines)) <= 60
