"""Who submits the jobs of a run: one operator at a time, from whatever machine. A program, and a module for tests.

    python3 - take RUN_DIR HOLDER [OVER]    prints {"number", "mine", "holder", "age_s", "before_s"}
    python3 - keep RUN_DIR NUMBER           prints the same: `mine` is false once another claim has come
    python3 - release RUN_DIR NUMBER

A claim is a numbered directory: to make one is atomic on every file system, NFS included, where locks of files may hold
on one machine alone or not at all. The newest claim counts. It is over when it was released, or when its holder has not
kept it for LEASE_S; then the next number may be made, which exactly one of those who try succeeds in. No claim is ever
removed, so nobody can remove another one's. Ages are between times that the file server itself has set: clocks of
operators' machines are not compared. Standard library only, Python 3.8 and newer: it is handed to a Python there.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CLAIMS = "control/.claims"
LEASE_S = 60.0
"""A holder keeps its claim far more often; who has not for so long was killed, or has lost its connection."""


def take(run_dir: str, holder: str, over: int = 0) -> dict[str, Any]:
    """Claim the run, unless a claim is held; `over` is one that does not count any more."""
    os.makedirs(run_dir, mode=0o700, exist_ok=True)
    claims = os.path.join(run_dir, CLAIMS)
    os.makedirs(claims, exist_ok=True)
    while True:
        newest = _newest(claims)
        found = _told(claims, newest)
        if newest and newest != over and not found["over"]:
            return {**found, "mine": False, "before_s": None}
        mine = os.path.join(claims, "%06d" % (newest + 1))
        try:
            os.mkdir(mine)
        except FileExistsError:
            continue  # another one was quicker: look at that claim
        with open(os.path.join(mine, "holder"), "w") as file:
            file.write(holder)
        _touch(mine)
        return {**_told(claims, newest + 1), "mine": True, "before_s": found["age_s"] if newest else None}


def keep(run_dir: str, number: int) -> dict[str, Any]:
    """Say that the holder of a claim still lives; whether the claim still counts."""
    claims = os.path.join(run_dir, CLAIMS)
    newest = _newest(claims)
    if newest == number:
        _touch(os.path.join(claims, "%06d" % number))
    return {**_told(claims, newest), "mine": newest == number, "before_s": None}


def release(run_dir: str, number: int) -> None:
    """Let others claim the run at once."""
    _touch(os.path.join(run_dir, CLAIMS, "%06d" % number, "released"))


def _newest(claims: str) -> int:
    return max((int(name) for name in os.listdir(claims) if name.isascii() and name.isdigit()), default=0)


def _told(claims: str, number: int) -> dict[str, Any]:
    """Who holds a claim, how long ago that was confirmed, and whether it is over."""
    here = os.path.join(claims, "%06d" % number)
    told: dict[str, Any] = {"number": number, "holder": "", "age_s": 0.0, "over": True}
    if not number:
        return told
    clock = os.path.join(claims, ".clock-%d" % os.getpid())
    _touch(clock)
    told["age_s"] = max(0.0, os.stat(clock).st_mtime - _confirmed(here))
    os.unlink(clock)
    try:
        with open(os.path.join(here, "holder")) as file:
            told["holder"] = file.read()
    except OSError:
        pass  # made in this very moment, or its maker was killed in it
    told["over"] = told["age_s"] > LEASE_S or os.path.exists(os.path.join(here, "released"))
    return told


def _confirmed(claim: str) -> float:
    return max(
        os.stat(path).st_mtime
        for path in (claim, *(os.path.join(claim, name) for name in ("kept", "released")))
        if os.path.exists(path)
    )


def _touch(path: str) -> None:
    """Have the file server set a time."""
    path = os.path.join(path, "kept") if os.path.isdir(path) else path
    with open(path, "a"):
        pass
    os.utime(path)


def main(words: list[str]) -> int:
    """Run one of the words."""
    word, run_dir, what = words[:3]
    if word == "take":
        print(json.dumps(take(run_dir, what, int(words[3]) if words[3:] else 0)))
    elif word == "keep":
        print(json.dumps(keep(run_dir, int(what))))
    else:
        release(run_dir, int(what))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as error:
        sys.exit("the run cannot be claimed: %s" % error)
