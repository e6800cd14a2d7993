"""The report as one HTML file that needs no other: its charts are inside, and nothing is loaded or run."""

from __future__ import annotations

import base64
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Experiment report</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 2em auto; padding: 0 1em }
h1, h2 { line-height: 1.2; margin: 1.8em 0 .5em }
h2 { border-bottom: 1px solid #ccc; padding-bottom: .2em }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: .25em .7em; border-bottom: 1px solid #e4e4e4; vertical-align: top }
th { text-align: left; background: #f5f5f5 }
td:first-child { overflow-wrap: anywhere; max-width: 30em }
tr:hover td { background: #f2f7fb }
img { max-width: 100%; height: auto; margin: .5em 0; border: 1px solid #e4e4e4 }
</style>
</head>
<body>
"""


def to_html(markdown: str, where: Path) -> str:
    """A report's Markdown as a whole page; images are read from beside `where` (the Markdown file) and built in.

    Markup in the Markdown that is HTML stays text. Raises OSError if an image cannot be read.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in (inner for outer in tokens for inner in outer.children or ()):
        if token.type == "image":
            token.attrs["src"] = _built_in(token, where.parent)
    body = parser.renderer.render(tokens, parser.options, {})
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return f"{_PAGE}{body}</body>\n</html>\n"


def _built_in(image: Token, directory: Path) -> str:
    data = (directory / str(image.attrs["src"])).read_bytes()
    return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
