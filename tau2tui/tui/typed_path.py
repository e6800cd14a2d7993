"""Paths as an operator types them."""

from __future__ import annotations

import errno
from pathlib import Path


def typed_path(words: str) -> Path:
    """A path with `~` and `~user` as a shell takes them. Raises OSError, with `strerror`, for what can be no path.

    Left to themselves, a user whom nobody knows is a RuntimeError, and a NUL is a ValueError when the file is opened.
    """
    if "\0" in words:
        raise OSError(errno.EINVAL, "no path has a NUL", words)
    try:
        return Path(words).expanduser()
    except RuntimeError:
        raise FileNotFoundError(errno.ENOENT, "no such home directory", words) from None
