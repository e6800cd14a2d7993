"""Another run that is named, to be laid over the one that is looked at."""

from __future__ import annotations

import pytest

from tau2tui.errors import NothingToRead
from tau2tui.tui.other_run import logs_of


@pytest.mark.parametrize("words", ["~nobody-of-that-name/logs", "/no/such/directory", "a\0b"])
async def test_what_is_neither_a_path_nor_a_run_is_said_in_a_line(words: str) -> None:
    with pytest.raises(NothingToRead, match="no such file or directory"):
        await logs_of(words, None)
