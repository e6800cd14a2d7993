"""The failure signatures: those of `signatures.toml` and a user's own, ready to be searched for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

import tomli

from tau2tui.config import LOG_KINDS, DiagnosisConfig, LogKind, SignatureConfig
from tau2tui.core.diagnosis.anchors import choose_anchors
from tau2tui.core.diagnosis.lines import Line
from tau2tui.errors import ConfigError

STATE_MARKS = (
    "[shutdown] API server: shutdown triggered",
    "[shutdown] EngineCore: trigger received signal=",
    "Shutting down FastAPI HTTP server",
    "Shutting down",
    "Application startup complete",
    "non-default args: ",
    "Error: ",
    "Exception: ",
)
"""Texts of lines that are no failures, or none that is known, and that a scan must see: see `scan`."""


@dataclass(frozen=True)
class Signature:
    """One row of the table with its patterns compiled."""

    config: SignatureConfig

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(pattern) for pattern in self.config.matches)

    def find(self, line: Line) -> Mapping[str, str] | None:
        """The named groups of a line that shows it, or None."""
        if line.is_information and not self.config.info:
            return None
        text = line.text
        found = next((dict[str, str]() for part in self.config.contains if part in text), None)
        if not self.config.core or any(core in text for core in self.config.core):
            for pattern in self.patterns:
                if match := pattern.search(text):
                    found = {name: value for name, value in match.groupdict().items() if value is not None}
                    break
        if found is None or any(part in text for part in self.config.unless):
            return None
        return found


@dataclass(frozen=True, eq=False)
class Table:
    """All that is looked for, in its order: what is more specific first."""

    signatures: tuple[Signature, ...]

    @cached_property
    def _index(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Each text that is looked for, with the signatures that it may belong to."""
        where: dict[str, list[int]] = {}
        for number, each in enumerate(self.signatures):
            for text in dict.fromkeys((*each.config.contains, *each.config.core)):
                where.setdefault(text, []).append(number)
        return tuple((text, tuple(numbers)) for text, numbers in where.items())

    @cached_property
    def _without_core(self) -> frozenset[int]:
        return frozenset(n for n, each in enumerate(self.signatures) if each.config.matches and not each.config.core)

    def candidates(self, text: str) -> tuple[Signature, ...]:
        """The signatures that a line may show, in their order."""
        numbers = set(self._without_core)
        for part, of in self._index:
            if part in text:
                numbers.update(of)
        return tuple(self.signatures[number] for number in sorted(numbers)) if numbers else ()

    def of_kind(self, kind: LogKind | None) -> Table:
        """Those that a log of this kind can show; all, if the kind is not known."""
        return self if kind is None else self._by_kind[kind]

    @cached_property
    def _by_kind(self) -> dict[LogKind, Table]:
        return {
            kind: Table(tuple(each for each in self.signatures if kind in each.config.applies)) for kind in LOG_KINDS
        }

    @cached_property
    def anchors(self) -> tuple[bytes, ...]:
        """Texts of which every line that any of them can match holds one.

        None, if a pattern without core needs every line.
        """
        texts = set(STATE_MARKS)
        for signature in self.signatures:
            texts.update((*signature.config.contains, *signature.config.core))
            if signature.config.matches and not signature.config.core:
                return ()
        return choose_anchors(texts)


@lru_cache(maxsize=8)
def table(settings: DiagnosisConfig = DiagnosisConfig()) -> Table:  # noqa: B008 - frozen
    """The table that comes with the program, with a user's signatures before it or in the place of those of their id.

    Raises ConfigError for an id in `ignore` or `covers` that no signature has.
    """
    own = {signature.id: signature for signature in settings.signature}
    shipped = shipped_signatures()
    chosen = [own.pop(signature.id, signature) for signature in shipped]
    everything = [*own.values(), *chosen]
    ids = {signature.id for signature in everything}
    for name in (*settings.ignore, *(name for signature in everything for name in signature.covers)):
        if name not in ids:
            raise ConfigError(f"diagnosis: no signature has the id {name!r}", "see docs/diagnosis.md")
    return Table(tuple(Signature(each) for each in everything if each.id not in settings.ignore))


@lru_cache(maxsize=1)
def shipped_signatures() -> tuple[SignatureConfig, ...]:
    """The rows of `signatures.toml`, checked as those of a user are."""
    data = tomli.loads(files(__package__).joinpath("signatures.toml").read_text(encoding="utf-8"))
    return DiagnosisConfig.model_validate(data).signature
