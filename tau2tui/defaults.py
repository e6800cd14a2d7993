"""What holds where no configuration says otherwise, and is needed where none is read.

A word that reads logs somewhere needs no configuration, and need not wait until its models are built.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

CONFIG_FILE = Path("config.toml")

Domain = Literal["retail", "telecom", "airline", "mock"]
DOMAINS: tuple[Domain, ...] = get_args(Domain)

SLA_MS = 5000.0

ERROR_PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        "harmony": "unexpected tokens remaining in message header",
        "retry": r"Retrying in 5 seconds|Retry \d+/\d+ in \d+s",
        "permanent": "LLM call failed permanently",
        "task_failed": "Task failed",
    }
)
"""Those of the seed's grep lines, by name."""
