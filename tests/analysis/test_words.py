from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.analysis.words import behind_last_blank, hashes, words_at, words_of

TEXTS = st.lists(st.sampled_from([b" ", b"a", b"b", b"=", b"\0", b"\x80", b"\xa0", b"12345678"]), max_size=30).map(
    b"".join
)


@given(TEXTS, st.integers(0, 40))
def test_a_word_may_begin_anywhere_and_what_is_behind_the_end_is_0(text: bytes, start: int) -> None:
    found = words_at(words_of(text), np.array([start]))
    expected = text[start : start + 8].ljust(8, b"\0") if len(text) >= 8 else b"\0" * 8
    assert found[0].tobytes() == expected


@given(TEXTS, TEXTS, st.sampled_from([8, 16, 32]))
def test_the_last_blank_is_found_as_far_as_is_looked(one: bytes, other: bytes, longest: int) -> None:
    text = b"x" * 32 + one + other + b"=" + b"y" * 8
    ends = np.array([32 + len(one), 32 + len(one) + len(other)])
    length, last = behind_last_blank(words_of(text), ends, longest)
    for end, found, word in zip(ends.tolist(), length.tolist(), last, strict=True):
        blank = text.rfind(b" ", end - longest, end)
        assert found == (end - blank - 1 if blank >= 0 else -1)
        assert word.tobytes() == text[end - 8 : end]


LONG = st.builds(lambda text, times: text * times, TEXTS, st.sampled_from([1, 1, 7, 60, 1000]))


@given(st.lists(LONG, min_size=1, max_size=8), TEXTS)
def test_the_same_text_has_the_same_hash_wherever_it_stands_and_another_text_another(
    texts: list[bytes], before: bytes
) -> None:
    length = np.array([len(text) for text in texts])
    data = before + b"".join(texts)
    found = hashes(data, len(before) + np.cumsum(length) - length, length)
    for text, own in zip(texts, found, strict=True):
        alone = hashes(text + b" tail", np.array([0]), np.array([len(text)]))
        assert alone[0] == own
    known = dict(zip(texts, found.tolist(), strict=True))
    assert len(set(known.values())) == len(known)
