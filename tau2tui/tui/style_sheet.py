"""A style sheet that is parsed once: Textual's parses all of it three times before the first frame."""

from __future__ import annotations

from textual.css.stylesheet import Stylesheet


class StyleSheet(Stylesheet):
    """Keeps what it parsed until the colours change, which are what the rules are parsed with.

    Textual's own reads everything anew at each `refresh_css`, which starting in a mode and every first look at a screen
    ask for: in case that a file was edited meanwhile, which ours never is.
    """

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._worn = dict(variables)

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._worn:
            self._worn = dict(variables)
            super().set_variables(variables)

    def reparse(self) -> None:
        self.parse()
