"""The looks to choose from: dark, light, high contrast, safe for colour-blind eyes, and without any colour.

All colours lie on the 256-colour cube: tmux without RGB shows exactly these. Contrast to the background is 4.5:1 at
least (WCAG 2 AA), which a test computes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

from tau2tui.tui.format import STYLES, Tone


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a look, by what they mean."""

    background: str
    panel: str
    raised: str
    foreground: str
    muted: str
    accent: str
    ok: str
    warn: str
    bad: str
    doubt: str
    dark: bool = True


PALETTES = {
    "dark": Palette(
        "#121212", "#262626", "#303030", "#d0d0d0", "#949494", "#5fafff", "#5fd7af", "#ffd75f", "#ff8787", "#d7afff"
    ),
    "light": Palette(
        "#ffffff",
        "#e4e4e4",
        "#d0d0d0",
        "#121212",
        "#585858",
        "#005faf",
        "#005f00",
        "#875f00",
        "#af0000",
        "#5f00af",
        dark=False,
    ),
    "high-contrast": Palette(
        "#000000", "#000000", "#444444", "#ffffff", "#d0d0d0", "#5fffff", "#5fff5f", "#ffff00", "#ff8787", "#ffafff"
    ),
    # Blue for good and orange for bad, as in the Okabe-Ito palette: told apart with any colour blindness.
    "colour-blind": Palette(
        "#121212", "#262626", "#303030", "#d0d0d0", "#949494", "#5fd7ff", "#5fafff", "#ffff5f", "#ff8700", "#ffafd7"
    ),
}
MONO = "mono"
LOOKS = (*PALETTES, MONO)
"""What `[screen] theme` and `:theme` take."""

_ANSI = BUILTIN_THEMES["ansi-dark"]
_DEFAULT = "ansi_default"


def themes() -> list[Theme]:
    """All looks, as Textual takes them."""
    return [*(_theme(name, palette) for name, palette in PALETTES.items()), _mono()]


def theme_name(look: str) -> str:
    """What Textual calls a look."""
    return f"tau2tui-{look}"


def wear(look: str) -> None:
    """Make the tones those of a look: there is one terminal, so there is one look."""
    STYLES.update(_MONO_STYLES if look == MONO else _styles(PALETTES[look]))


def _styles(palette: Palette) -> dict[Tone, Style]:
    return {
        Tone.PLAIN: Style(),
        Tone.STRONG: Style(bold=True),
        Tone.MUTED: Style(color=palette.muted),
        Tone.ACCENT: Style(color=palette.accent),
        Tone.OK: Style(color=palette.ok),
        Tone.BUSY: Style(color=palette.accent),
        Tone.WARN: Style(color=palette.warn, bold=True),
        Tone.BAD: Style(color=palette.bad, bold=True),
        Tone.DOUBT: Style(color=palette.doubt, bold=True),
        Tone.MATCH: Style(reverse=True, bold=True),
    }


_MONO_STYLES = {
    **dict.fromkeys(Tone, Style()),
    Tone.STRONG: Style(bold=True),
    Tone.ACCENT: Style(bold=True),
    Tone.WARN: Style(bold=True, underline=True),
    Tone.BAD: Style(bold=True, reverse=True),
    Tone.DOUBT: Style(underline=True),
    Tone.MATCH: Style(reverse=True, bold=True),
}


def _theme(look: str, palette: Palette) -> Theme:
    return Theme(
        name=theme_name(look),
        primary=palette.accent,
        secondary=palette.accent,
        accent=palette.accent,
        success=palette.ok,
        warning=palette.warn,
        error=palette.bad,
        foreground=palette.foreground,
        background=palette.background,
        surface=palette.background,
        panel=palette.panel,
        boost=palette.raised,
        dark=palette.dark,
        text_alpha=1.0,
        variables={
            "muted": palette.muted,
            "raised": palette.raised,
            "border": palette.muted,
            "block-cursor-background": palette.accent,
            "block-cursor-foreground": palette.background,
            "block-cursor-text-style": "bold",
            "block-cursor-blurred-background": palette.raised,
            "block-cursor-blurred-foreground": palette.foreground,
            "block-cursor-blurred-text-style": "none",
            "footer-background": palette.panel,
            "footer-item-background": palette.panel,
            "footer-key-foreground": palette.accent,
            "footer-description-foreground": palette.foreground,
        },
    )


def _mono() -> Theme:
    """For NO_COLOR: the terminal's own two colours, and only bold, underline and reverse to tell things apart."""
    own = _theme("dark", PALETTES["dark"])
    return replace(
        _ANSI,
        name=theme_name(MONO),
        primary=_DEFAULT,
        secondary=_DEFAULT,
        warning=_DEFAULT,
        error=_DEFAULT,
        success=_DEFAULT,
        accent=_DEFAULT,
        variables={
            **dict.fromkeys((*_ANSI.variables, *own.variables), _DEFAULT),
            "input-cursor-text-style": "reverse",
            "block-cursor-text-style": "reverse",
            "block-cursor-blurred-text-style": "underline",
        },
    )
