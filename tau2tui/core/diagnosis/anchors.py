"""Few short texts of which every text that is looked for holds one: found in bytes at the speed of memory.

One compiled alternation of all texts would be simpler and reads 4 MB/s; searches for anchors read ten times as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_SHARED = (
    """
Error|rror: |[Errno |nvalid |emory|DUE TO |Reason=|exceeded|orrupted|compil|unexpected |is not | file|(Assoc
(QOS|(Partition|inductor|imeout| supported |huggingface|Shutting |requires |generated|(Bad|Xid
""".strip()
    .replace("\n", "|")
    .split("|")
)
"""Pieces that many of the texts share and healthy logs rarely hold; which ones are here is a matter of speed alone."""


def choose_anchors(texts: Iterable[str]) -> tuple[bytes, ...]:
    """The anchors of these texts; one without a shared piece is its own."""
    left = set(texts)
    chosen = []
    for piece in _SHARED:
        covered = {text for text in left if piece in text}
        if len(covered) > 1:
            chosen.append(piece)
            left -= covered
    return tuple(anchor.encode() for anchor in (*chosen, *sorted(left)))


def lines_with(anchors: tuple[bytes, ...], block: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of each line of a block that holds an anchor, in order; the block ends with a newline."""
    found = {}
    for anchor in anchors:
        at = block.find(anchor)
        while at >= 0:
            stop = block.find(b"\n", at)
            found[block.rfind(b"\n", 0, at) + 1] = stop
            at = block.find(anchor, stop)
    return iter(sorted(found.items()))


def all_lines(block: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of every line of a block that ends with a newline."""
    start = 0
    while (stop := block.find(b"\n", start)) >= 0:
        yield start, stop
        start = stop + 1
