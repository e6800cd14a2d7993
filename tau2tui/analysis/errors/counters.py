"""The seed's counters: what `grep -ac TEXT FILE…` prints, file by file.

They count lines of bytes and nothing else: a copy of a line in another file counts again, as it does for grep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tau2tui.analysis.stretches import text_blocks
from tau2tui.errors import NothingToRead

COUNTED: Mapping[str, str] = {
    "harmony": "unexpected tokens remaining",
    "retry": "Retrying in 5 seconds",
    "permanent": "LLM call failed permanently",
    "task_failed": "Task failed",
    "completed": "TAU2_TASK_COMPLETE",
    "eta": "OVERALL_ETA",
}
"""The texts that the notes' recipes grep for, and two more that the seed's programs write, by what they tell."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Lines with one text: of each file, in the order in which the files were named."""

    name: str
    text: str
    files: tuple[tuple[Path, int], ...]

    @property
    def total(self) -> int:
        return sum(count for _, count in self.files)

    def of(self, name: str) -> int | None:
        """The count of the files of this name, such as `fullrun.log`; None if there is none."""
        counts = [count for path, count in self.files if path.name == name]
        return sum(counts) if counts else None


def count_lines(files: Sequence[Path], texts: Mapping[str, str] = COUNTED) -> tuple[Counter, ...]:
    """A counter for each text. Raises NothingToRead for a file that cannot be opened."""
    encoded = {name: text.encode() for name, text in texts.items()}
    counts = []
    for path in files:
        try:
            counts.append(matching_lines(text_blocks(path), encoded.values()))
        except OSError as error:
            raise NothingToRead(f"{path}: {error.strerror}") from None
    return tuple(
        Counter(name, texts[name], tuple((path, count[place]) for path, count in zip(files, counts, strict=True)))
        for place, name in enumerate(encoded)
    )


def matching_lines(blocks: Iterable[bytes], texts: Iterable[bytes]) -> tuple[int, ...]:
    """For each text the lines that hold it; a last line without its end is one, and a line may be as long as it likes.

    A text must not be empty, nor hold a line end.
    """
    counts = [_Count(text) for text in texts]
    longest = max((len(count.text) for count in counts), default=1)
    before = b""
    for block in blocks:
        data = before + block
        for count in counts:
            count.add(data, len(before))
        # A text that begins in one block and ends in the next is found from here.
        before = data[max(len(data) - longest + 1, 0) :]
    return tuple(count.lines for count in counts)


class _Count:
    """The lines with one text so far."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.lines = 0
        self._counted = False
        """The line that goes on in the next block is counted already."""

    def add(self, data: bytes, seen: int) -> None:
        """`seen`: how many bytes of the data were there before, at its beginning."""
        at = max(seen - len(self.text) + 1, 0)
        if self._counted:
            end = data.find(b"\n", seen)
            if end < 0:
                return
            at, self._counted = end + 1, False
        while (found := data.find(self.text, at)) >= 0:
            self.lines += 1
            end = data.find(b"\n", found)
            if end < 0:
                self._counted = True
                return
            at = end + 1
