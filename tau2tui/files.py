"""Files that are there whole or not at all, however a writer ends: what others read while it is written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_atomically(
    path: Path, content: str | bytes | memoryview, *, mode: int = 0o644, parents: bool = False, durable: bool = False
) -> None:
    """Write under a new temporary name in the same directory and rename, so that a reader sees the old or the new.

    `mode`: of the file, less what the umask takes away; `parents`: make the directories above it; `durable`: wait until
    the bytes are on the disk, for what must survive a crash of the machine. Raises OSError, and leaves nothing then.
    """
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    # Short, whatever the name: that of a unit file may be almost as long as a file system allows.
    temporary = path.parent / f".{secrets.token_hex(16)}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
