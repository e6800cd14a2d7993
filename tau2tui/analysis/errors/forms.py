"""The forms of the lines that tell of errors: those of the driver, of the seed's programs, and of vLLM."""

from __future__ import annotations

import re

from tau2tui.analysis.markers import DRESS

_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?"
_DRESSED = re.compile(DRESS)
HEAD = re.compile(rf"\[(?P<level>[A-Z_]+)\] (?P<at>{_TIME}) (?:task=(?P<task>.*?) thread=-?\d+ ?)?(?P<message>.*)")
_SERVER_HEAD = re.compile(
    r"(?:\([^()]*\) ?)?(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\b(?: \d\d-\d\d \d\d:\d\d:\d\d)?(?: \[[^\]]*\])?:? ?"
)
"""`(APIServer pid=1) ERROR 11-26 22:51:56 [serving.py:1173] `, as vLLM begins its lines."""
TALK = ("DEBUG", "INFO", "PROFILE", "USER_JUDGE", "TRACE", "SUCCESS")
"""Levels of lines that may quote anything, such as a whole conversation, and tell of no error."""
GRAVE = ("ERROR", "CRITICAL", "FATAL")
_UNIT = r"(?P<domain>[a-z][a-z0-9_]*)/(?P<task_id>.*)#(?P<trial>\d{1,9})"
ATTEMPT = re.compile(
    rf"{_UNIT} (?P<series>[^\s:]+)(?: at (?P<replica>[^\s:]+))?: "
    r"(?:LLM call failed permanently after \d+ attempts: )?(?P<class>[a-z_]+): (?P<message>.*?)"
    r"(?:\. (?:Retry \d+/\d+ in \d+s\.\.\.|Nothing in \d+ attempts).*)?"
)
TASK_FAILED = re.compile(rf"Task failed: {_UNIT}: (?P<class>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?")
MARKER = re.compile(
    r"\[TAU2_TASK_COMPLETE\] domain=(?P<domain>\S+) trial=(?P<trial>\d{1,9}) task_id=(?P<task_id>.*) "
    r"status=(?P<status>ok|error|skipped)\b(?!.*\[TAU2_TASK_COMPLETE\])"
)
STAND_IN = "a neutral text stands in"
SEARCHED = (
    r"\[TAU2_TASK_COMPLETE\]",
    "Global evaluation complete:",
    r"\[(?:ERROR|CRITICAL|FATAL)\] \d{4}-",
    r"(?:ERROR|CRITICAL) \d\d-\d\d \d\d:",
    STAND_IN,
)
"""What is looked for besides the patterns of the classes."""


def undressed(line: str) -> str:
    """A line without what the driver puts in front of it."""
    dress = _DRESSED.match(line)
    assert dress is not None  # every part of it is optional
    return line[dress.end() :]


def server_line(bare: str) -> tuple[str, str]:
    """The level of a line that is not laid out as the evaluation does it ("" without one), and what it says."""
    head = _SERVER_HEAD.match(bare)
    return (head["level"], bare[head.end() :]) if head else ("", bare)


def task_of(task: str | None, domain: str) -> tuple[str, str]:
    """Domain and task id: in the log of several domains, the id stands behind its domain (`retail:17`)."""
    task = task or ""
    if not domain and (found := re.fullmatch(r"(?P<domain>[a-z][a-z0-9_]*):(?P<id>.+)", task)):
        return found["domain"], found["id"]
    return domain, task.removeprefix(f"{domain}:") if domain else task
