"""docs/keys.md, made of the registry of acts: `python -m tau2tui.tui.keys_page > docs/keys.md`."""

from __future__ import annotations

import sys

from tau2tui.tui.actions import ACTIONS, Action, key_names
from tau2tui.tui.views import VIEWS

_HEAD = """# Keys

Every act has an id, by which config.toml gives it other keys, and which `:` takes (its last part is enough). What
stands in capital letters behind it is typed there too: `:goto expert-1-2`. `x` lists what can be done where you are,
ctrl+p finds it by a few letters, `?` shows the keys that apply. This page is made of the same table.

```toml
[keys]
"replica.relaunch" = "R,f5"
```

All tables take one filter language (`/`, or `:filter-by`): words, `column:word`, `column=word`, `column>5m` (also `<`,
`>=`, `<=`; units s m h d, %, k, MiB), `/expression/`, each with `!` in front for "not"; quotes keep words together.
Capital letters count only where there is one. A value that is not known matches no comparison, and not its opposite.
"""


def page() -> str:
    """The page as Markdown."""
    views = "\n".join(f"| `{view.key}` | {view.title} | {view.about} |" for view in VIEWS)
    parts = [_HEAD, f"## Screens\n\n| key | screen | what it shows |\n|---|---|---|\n{views}\n"]
    for group, actions in ACTIONS.items():
        rows = "\n".join(map(_row, actions))
        parts.append(f"## {group}\n\n| key | id | what it does | word |\n|---|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _row(action: Action) -> str:
    keys = " ".join(f"`{key}`" for key in key_names(action.keys).split()).replace("|", "\\|")
    name = f"`{action.id}`" + (f" {action.takes}" if action.takes else "")
    word = f"`tau2tui {action.word}`" if action.word else ""
    return f"| {keys} | {name} | {action.about} | {word} |"


if __name__ == "__main__":
    sys.stdout.write(page())
