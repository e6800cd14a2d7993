"""What every client of a chat completions server does alike, whether it waits in threads or on the event loop."""

from __future__ import annotations

CONNECT_S = 10.0
IDLE_S = 4.0
"""Idle connections are closed before uvicorn, below vLLM, does it after 5 s: a request must not meet a closing one."""
_MOST_MESSAGE = 300


class EventData:
    """The data of server-sent events out of the blocks of a stream, one line each.

    Lines end at newlines, not at Unicode's other separators, which the text of a model may hold.
    """

    def __init__(self) -> None:
        self._rest = b""

    def of(self, block: bytes) -> list[bytes]:
        """What this block brought to its end; `[DONE]` is not told."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        data = [line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:")]
        return [each for each in data if each != b"[DONE]"]


def without_key(message: str, api_key: str) -> str:
    """What a server said, shortened and without the key: some repeat the one that they refuse."""
    return message.replace(api_key, "***")[:_MOST_MESSAGE] if api_key else message[:_MOST_MESSAGE]
