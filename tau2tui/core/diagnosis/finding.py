"""What was found in a log: the cause, the remedy, the command to offer, and the line that shows it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tau2tui.config import SignatureConfig
from tau2tui.core.diagnosis.figures import figures

_BRACED = re.compile(r"\{(\w+)\}")
_REMARK = re.compile(r" \([^()]*\{[^()]*\)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-\[\],]{0,127}")
_PLACES = ("replica", "expert", "job", "node")
_TEXT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log belongs, as far as that is known; empty: it is not."""

    file: str = ""
    replica: str = ""
    job: str = ""
    """The job's name, such as oss_eval_node1."""
    node: str = ""

    @property
    def expert(self) -> str:
        return self.replica.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class Action:
    """What to do: a command as an argument list, or words where no command helps."""

    argv: tuple[str, ...] = ()
    words: str = ""
    complete: bool = True
    """False: a word in capitals, such as REPLICA, stands for what the log does not say."""

    def __str__(self) -> str:
        return shlex.join(self.argv) if self.argv else self.words


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause in one log."""

    id: str
    cause: str
    remedy: str
    act: str
    """change, restart, move, wait, retry or ask."""
    action: Action
    file: str
    line: int
    """Of its first line, from 1."""
    text: str
    """That line, without colours and prefixes."""
    count: int
    """Lines that show it."""
    replica: str
    job: str
    node: str
    source: tuple[str, ...]
    wrapper: bool = False
    """Only what happened is known: the line is the root of it as far as one could be found."""

    def to_json(self) -> dict[str, Any]:
        """As programs read it; the action once as it is shown, once as an argument list (empty if it is words)."""
        return {
            "id": self.id,
            "cause": self.cause,
            "remedy": self.remedy,
            "action": str(self.action),
            "argv": list(self.action.argv),
            "complete": self.action.complete,
            "act": self.act,
            "file": self.file,
            "line": self.line,
            "text": self.text,
            "count": self.count,
            "replica": self.replica or None,
            "job": self.job or None,
            "node": self.node or None,
            "wrapper": self.wrapper,
            "source": list(self.source),
        }


def make_finding(
    signature: SignatureConfig, place: Place, line: int, text: str, count: int, said: Mapping[str, str], root: str = ""
) -> Finding:
    """Fill in a signature: `said` holds the groups of the match and what the server said of its arguments."""
    known = {name: " ".join(value.split()) for name, value in said.items() if value}
    known |= {name: value for name, value in figures(known).items() if name not in known}
    places = {name: getattr(place, name) or known.get(name, "") for name in _PLACES}
    known |= {name: value for name, value in places.items() if value and _NAME.fullmatch(value)}
    cause = f"{_filled(signature.cause, known)}: {root}" if root else _filled(signature.cause, known)
    return Finding(
        id=signature.id,
        cause=cause[:_TEXT_LIMIT],
        remedy=_filled(signature.remedy, known)[:_TEXT_LIMIT],
        act=signature.act,
        action=_action(signature, known),
        file=place.file,
        line=line,
        text=text[:_TEXT_LIMIT],
        count=count,
        replica=place.replica,
        job=known.get("job", ""),
        node=known.get("node", ""),
        source=signature.source,
        wrapper=signature.wrapper,
    )


def _filled(text: str, known: Mapping[str, str]) -> str:
    """The text with what is known in place of `{name}`; a remark in brackets goes if one is not known, else it is …."""

    def known_remark(remark: re.Match[str]) -> str:
        return remark[0] if all(name in known for name in _BRACED.findall(remark[0])) else ""

    text = _REMARK.sub(known_remark, text)
    return _BRACED.sub(lambda braced: known.get(braced[1], "…"), text)


def _action(signature: SignatureConfig, known: Mapping[str, str]) -> Action:
    """The action; if a figure of it is not known, the other one, if there is one."""
    chosen = signature.action
    if signature.otherwise and any(
        name not in known and name not in _PLACES for word in chosen for name in _BRACED.findall(word)
    ):
        chosen = signature.otherwise
    if isinstance(chosen, str):
        return Action(words=_filled(chosen, known))
    missing = {name for word in chosen for name in _BRACED.findall(word) if name not in known}
    everything = {**known, **{name: name.upper() for name in missing}}
    return Action(argv=tuple(_filled(word, everything) for word in chosen), complete=not missing)
