"""What happens to a log besides that it grows, and what tells that it happened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Incident:
    """Something happened to a log besides that it grew."""

    path: Path
    what: str
    """`rotated`, `replaced`, `shortened`, `rewritten`, `vanished` or `stale`."""

    def __str__(self) -> str:
        return f"{self.path}: {_SAID[self.what]}"


_SAID = {
    "rotated": "another file has taken its name; both are read",
    "replaced": "replaced by another file, which is read from its beginning",
    "shortened": "shorter than it was; read again from its beginning",
    "rewritten": "not what it was before its new lines; read again from its beginning",
    "vanished": "not there any more; what it said is kept",
    "stale": "removed on its server while it was open here; opened again",
}


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells that a file has not been touched since."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def same_file(self, other: Signature) -> bool:
        return (self.device, self.inode) == (other.device, other.inode)
