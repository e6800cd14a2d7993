"""Local copies of logs and samples that grow elsewhere: only new bytes travel; a file that is another is noticed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tau2tui.core.log_names import EVALUATION_LOG
from tau2tui.files import write_atomically
from tau2tui.remote.shell import READ_LIMIT, LocalShell, Shell

STATE = ".copied.json"
"""In the directory of the copies: what each of them is a copy of."""
_STATUS = re.compile(r"(?P<inode>\d+) (?P<size>\d+) (?P<path>/.+)")
SAMPLES = re.compile(r"[^/]+\.jsonl(?:\.1)?")
_ANCHOR = 64
_ARCHIVES = (".gz", ".zst")


@dataclass(frozen=True, slots=True)
class _Copied:
    """How far a file has been copied, and the hash of its last bytes before that."""

    inode: int
    size: int
    anchor: str


@dataclass(frozen=True, slots=True)
class LogCopies:
    """The logs of an evaluation in one directory, or other files that grow, and the directory of their copies."""

    shell: Shell
    source: str
    target: Path
    kind: re.Pattern[str] = EVALUATION_LOG
    """The names of what is copied at all."""

    async def update(self, only: Callable[[str], bool] = lambda _: True) -> tuple[str, ...]:
        """Copy what is new of those `only` accepts; returns what happened besides, in words. Raises Unreachable.

        A file that was renamed is renamed here too; one that was replaced, shortened or overwritten is copied anew; one
        that is not there any more stays.
        """
        await asyncio.to_thread(self.target.mkdir, parents=True, exist_ok=True)
        there = await self._there()
        known = await asyncio.to_thread(self._known)
        moved = {
            old: name
            for name, (inode, _) in there.items()
            for old, copied in known.items()
            if copied.inode == inode and old != name and there.get(old, (0, 0))[0] != inode
        }
        if moved:
            await asyncio.to_thread(self._rename, moved)
            stay = {name: copied for name, copied in known.items() if name not in {*moved, *moved.values()}}
            known = stay | {name: known[old] for old, name in moved.items()}
            await asyncio.to_thread(self._remember, known)
        said = [f"{old}: is {name} now" for old, name in moved.items()]
        for name, (inode, size) in sorted(there.items()):
            if not only(name):
                continue
            copied = known.get(name)
            if copied is not None and (copied.inode, copied.size) == (inode, size):
                continue
            known[name], anew = await self._copy(name, inode, size, copied)
            said += [f"{name}: {anew}; copied anew"] if anew else []
            await asyncio.to_thread(self._remember, known)
        return tuple(said)

    async def _there(self) -> dict[str, tuple[int, int]]:
        """Inode and size of each log, by name."""
        names = [name for name in await self.shell.names(self.source) if self.kind.fullmatch(name)]
        if not names:
            return {}
        paths = [f"{self.source}/{name}" for name in names]
        # One that vanished meanwhile is missing in the answer.
        listing = (await self.shell.run(("stat", "-L", "-c", "%i %s %n", "--", *paths))).stdout
        found = {}
        for line in listing.splitlines():
            # A login shell may say things of its own between the answers.
            if said := _STATUS.fullmatch(line):
                found[said["path"].rpartition("/")[2]] = (int(said["inode"]), int(said["size"]))
        return {name: found[name] for name in names if name in found}

    async def _copy(self, name: str, inode: int, size: int, copied: _Copied | None) -> tuple[_Copied, str]:
        """Copy what is new of one file, or all of it; and why all, if it was known before."""
        path, target = f"{self.source}/{name}", self.target / name
        why = ""
        if copied is not None:
            why = await self._why_anew(path, target, inode, size, copied)
        if copied is None or why:
            await asyncio.to_thread(target.unlink, missing_ok=True)
            copied = _Copied(inode, 0, _hash(b""))
        else:
            await asyncio.to_thread(os.truncate, target, copied.size)
        offset, last = copied.size, b""
        while new := await self._read(path, offset):
            await LocalShell().append(str(target), new)
            offset += len(new)
            last = (last + new)[-_ANCHOR:]
            if len(new) < READ_LIMIT:
                break
        if len(last) < min(_ANCHOR, offset):
            last = await self._read(path, max(0, offset - _ANCHOR), min(_ANCHOR, offset))
        if not offset:
            await asyncio.to_thread(target.touch)
        return _Copied(inode, offset, _hash(last)), why

    async def _why_anew(self, path: str, target: Path, inode: int, size: int, copied: _Copied) -> str:
        """What speaks against going on where the copy ends; nothing if that is right."""
        try:
            here = await LocalShell().size(str(target))
        except FileNotFoundError:
            here = -1
        if here < copied.size:
            return "its copy was not complete"
        if inode != copied.inode:
            return "replaced"
        if size < copied.size:
            return "shorter than it was"
        if target.name.endswith(_ARCHIVES):
            return "written anew"
        length = min(_ANCHOR, copied.size)
        if _hash(await self._read(path, copied.size - length, length)) != copied.anchor:
            return "overwritten"
        return ""

    async def _read(self, path: str, offset: int, limit: int = READ_LIMIT) -> bytes:
        try:
            return await self.shell.read(path, offset, limit)
        except FileNotFoundError:
            return b""

    def _known(self) -> dict[str, _Copied]:
        try:
            known = json.loads((self.target / STATE).read_bytes())
            return {
                name: _Copied(int(copied["inode"]), int(copied["size"]), str(copied["anchor"]))
                for name, copied in known.items()
                if self.kind.fullmatch(name)
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _remember(self, known: dict[str, _Copied]) -> None:
        write_atomically(self.target / STATE, json.dumps({name: asdict(copied) for name, copied in known.items()}))

    def _rename(self, moved: dict[str, str]) -> None:
        """All at once: one may take the name of another."""
        waiting = {self.target / f".{number}.moved": name for number, name in enumerate(moved.values())}
        for old, path in zip(moved, waiting, strict=True):
            if (self.target / old).exists():
                (self.target / old).rename(path)
        for path, name in waiting.items():
            if path.exists():
                path.replace(self.target / name)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
