"""How long a conversation each server takes, asked of the server itself, once in its life."""

from __future__ import annotations

import threading

import httpx2

from tau2tui.evaluation.routing import Endpoint

_ASK_S = 10.0


class Windows:
    """Remembers the context length, in tokens, that each replica serves; for any number of threads."""

    def __init__(self, api_key: str) -> None:
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._lock = threading.Lock()
        self._known: dict[Endpoint, int | None] = {}

    def of(self, endpoint: Endpoint) -> int | None:
        """None where the server does not say, or cannot be asked."""
        with self._lock:
            if endpoint in self._known:
                return self._known[endpoint]
        try:
            window = ask_window(endpoint.url, self._headers)
        except httpx2.TransportError:
            return None  # the call itself will find out what is wrong with it
        with self._lock:
            self._known[endpoint] = window
        return window


def ask_window(url: str, headers: dict[str, str]) -> int | None:
    """`max_model_len` of /v1/models; None where it is not said. Raises httpx2.TransportError."""
    response = httpx2.get(f"{url}/models", headers=headers, timeout=_ASK_S)
    try:
        return int(response.raise_for_status().json()["data"][0]["max_model_len"])
    except (httpx2.HTTPStatusError, ValueError, KeyError, TypeError, IndexError):
        return None
