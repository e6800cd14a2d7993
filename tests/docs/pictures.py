"""docs/pictures, made from the recorded looks of the screens: `scripts/screenshots`.

tests/tui/test_looks.py holds the recorded looks against the app on a cluster in memory; the pictures are these, without
the fonts that a browser would fetch from elsewhere. So a picture is as current as its look, and the same every time.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOOKS = ROOT / "tests" / "tui" / "__snapshots__" / "test_looks"
PICTURES = ROOT / "docs" / "pictures"
SHOWN = {
    "fleet": "test_fleet[100x30]",
    "eval": "test_eval[100x30]",
    "latency": "test_latency[100x30]",
    "logs": "test_logs[100x30]",
    "reports": "test_reports[100x30]",
    "review": "test_review_sheet[100x30]",
}
"""Name of a picture → the look that it is made of."""

_FALLBACKS = "'Fira Code', ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_FONTS = re.compile(r"\s*@font-face \{[^}]*\}")


def picture(name: str) -> str:
    """The SVG of a picture: a look that fetches nothing."""
    look = (LOOKS / f"{SHOWN[name]}.svg").read_text(encoding="utf-8")
    alone = _FONTS.sub("", look).replace("font-family: Fira Code, monospace", f"font-family: {_FALLBACKS}")
    return "\n".join(line.rstrip() for line in alone.splitlines()) + "\n"


def main() -> None:
    """Write all pictures."""
    PICTURES.mkdir(exist_ok=True)
    for name in SHOWN:
        (PICTURES / f"{name}.svg").write_text(picture(name), encoding="utf-8")


if __name__ == "__main__":
    main()
