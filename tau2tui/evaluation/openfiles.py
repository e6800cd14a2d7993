"""How many files and connections this process may hold open: many systems begin with 1024 for all."""

from __future__ import annotations

import resource

_OF_THE_DRIVER = 100
"""Logs, the interpreter's own, and room for what libraries open for a moment."""
_PER_UNIT = 8
"""Connections that are kept alive: to the agent's replica, each expert's, the user simulator; some of retries."""


def needed(max_concurrency: int) -> int:
    """Open files that so many simulations at once may need."""
    return _OF_THE_DRIVER + _PER_UNIT * max_concurrency


def raise_limit(max_concurrency: int) -> str:
    """Raise this process's limit to what it is allowed; what is wrong if that is too low, else an empty string."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = soft
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            limit = hard
        except (OSError, ValueError):  # some systems do not allow what they say they do
            limit = soft
    if limit == resource.RLIM_INFINITY or limit >= needed(max_concurrency):
        return ""
    return (
        f"Only {limit} files may be open at once (ulimit -Hn), but {max_concurrency} simulations at once may need "
        f"{needed(max_concurrency)}: lower max_concurrency or raise the limit"
    )
