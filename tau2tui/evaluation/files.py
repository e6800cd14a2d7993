"""Files that others read while we write: replaced whole, never half written."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def replace_file(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a file under a temporary name and rename it, so that a reader sees the old text or the new, nothing else.

    `durable` also waits until the bytes are on the disk: for results, which must survive a crash of the machine.
    Raises OSError; the temporary file is gone then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Short, whatever the name: that of a unit file may be almost as long as a file system allows.
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
