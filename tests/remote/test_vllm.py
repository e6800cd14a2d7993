"""One server by itself, and many: each way to fail is told in words, and holds up nobody else."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tau2tui.core.endpoint import Probed
from tau2tui.core.metrics.names import Quantity
from tau2tui.core.model import Level
from tau2tui.errors import ConfigError
from tau2tui.remote.sweep import Sweep
from tau2tui.remote.vllm import EMPTY_METRICS, Vllm, endpoint_url, http_client
from tests.endpoints import Endpoint, start


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """The HTTP client loads a part of itself with its first request, which takes as long as the short waits here."""

    async def ask() -> None:
        async with http_client(tls=False) as client:
            await Vllm(client, "http://127.0.0.1:1").health()

    asyncio.run(ask())


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def look(
    stack: AsyncExitStack, kind: str, *, key: str = "", timeout_s: float = 5.0, completion: bool = False
) -> tuple[Probed, Endpoint]:
    endpoint, port = await start(stack, kind)
    client = await stack.enter_async_context(http_client(tls=False, api_key=key))
    server = Vllm(client, f"http://127.0.0.1:{port}", timeout_s)
    return await server.look_on(await server.health(), completion=completion), endpoint


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("gpu07:1900", "http://gpu07:1900"),
        ("http://gpu07:1900/v1/", "http://gpu07:1900"),
        ("https://host/proxy/v1", "https://host/proxy"),
        ("[::1]:1900", "http://[::1]:1900"),
    ],
)
def test_a_url_is_taken_in_the_forms_that_people_have_it_in(text: str, url: str) -> None:
    assert endpoint_url(text) == url


@pytest.mark.parametrize("text", ["", "ftp://x", "http://", "http://host:99999", "http://host?x=1", "http://a:b@host"])
def test_what_is_no_url_of_a_server_is_refused_without_repeating_a_password(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        endpoint_url(text)
    assert "b@" not in str(refused.value)


async def test_a_good_server_is_told_level_by_level(stack: AsyncExitStack) -> None:
    found, endpoint = await look(stack, "good")
    assert (found.ready, found.level, found.version) == (True, Level.IDENTITY, "0.32.0")
    assert [(model.id, model.max_model_len, model.root) for model in found.models] == [
        ("org/Expert", 4096, "/models/expert")
    ]
    assert found.listeners == ("org/Expert",) * 3
    assert found.scrapes[0].total(Quantity.GENERATION_TOKENS) == 1359 and not found.no_metrics
    assert "/v1/chat/completions" not in endpoint.asked, "a completion only when it is asked for"


async def test_a_completion_must_come_back_as_a_tool_call(stack: AsyncExitStack) -> None:
    assert (await look(stack, "good", completion=True))[0].level is Level.COMPLETION
    found, _ = await look(stack, "text", completion=True)
    assert found.level is Level.IDENTITY and "not as a parsed tool call" in found.why


@pytest.mark.parametrize(
    ("kind", "answered", "level", "why"),
    [
        ("refused", False, None, "nothing listens there"),
        ("black-hole", False, None, "not even to a connection"),
        ("silent", False, Level.ALIVE, "it accepts connections, and says nothing for 0.4 s"),
        ("closing", False, Level.ALIVE, "does not answer in HTTP"),
        ("garbage", False, Level.ALIVE, "if it speaks TLS, try https://"),
        ("500", True, Level.ALIVE, "/health: HTTP 500 Internal Server Error"),
        ("503", True, Level.ALIVE, "it is still loading, or its engine is dead"),
        ("redirect", True, Level.ALIVE, "redirects to https://elsewhere.example/login"),
        ("empty", True, Level.HEALTH, "/v1/models: 200 with an empty answer"),
        ("key", True, Level.HEALTH, "it wants an API key: --api-key-env NAME"),
        ("turns", True, Level.HEALTH, "several servers share the port"),
    ],
)
async def test_each_way_to_fail_is_told(
    stack: AsyncExitStack, kind: str, answered: bool, level: Level | None, why: str
) -> None:
    found, _ = await look(stack, kind, timeout_s=0.4)
    assert (found.answered, found.level, found.ready) == (answered, level, False)
    assert why in found.why


async def test_a_key_is_sent_and_never_told(stack: AsyncExitStack) -> None:
    found, endpoint = await look(stack, "key", key="sesame")
    assert found.level is Level.IDENTITY and set(endpoint.keys) == {"bearer sesame"}
    found, _ = await look(stack, "key", key="wrong-secret")
    assert "does not take the key" in found.why and "wrong-secret" not in repr(found)


async def test_metrics_are_open_where_the_api_wants_a_key(stack: AsyncExitStack) -> None:
    found, _ = await look(stack, "key")
    assert found.scrapes and not found.no_metrics


async def test_a_redirect_is_not_followed_with_the_key(stack: AsyncExitStack) -> None:
    found, endpoint = await look(stack, "redirect", key="sesame")
    assert "name that URL instead" in found.why and endpoint.asked == ["/health", "/version", "/metrics"]


async def test_without_metrics_a_server_is_ready_and_says_so(stack: AsyncExitStack) -> None:
    found, _ = await look(stack, "no-metrics")
    assert found.ready and found.scrapes == () and found.no_metrics.startswith("/metrics: 404")
    found, _ = await look(stack, "empty")
    assert found.no_metrics == EMPTY_METRICS


async def test_a_second_scrape_makes_a_window_and_one_that_fails_leaves_the_first(stack: AsyncExitStack) -> None:
    _, port = await start(stack, "good")
    client = await stack.enter_async_context(http_client(tls=False))
    server = Vllm(client, f"http://127.0.0.1:{port}")
    found = await server.scrape_again(await server.look_on(await server.health()))
    assert len(found.scrapes) == 2 and found.scrapes[1].at > found.scrapes[0].at
    gone = Vllm(client, f"http://127.0.0.1:{(await start(stack, 'refused'))[1]}")
    again = await gone.scrape_again(found)
    assert again.scrapes == found.scrapes and "the second scrape failed" in again.notes[0]


async def test_tls_is_spoken_where_it_is_and_named_where_it_is_not(stack: AsyncExitStack, tmp_path: Path) -> None:
    certificate = tmp_path / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.write_bytes((tmp_path / "key.pem").read_bytes() + (tmp_path / "cert.pem").read_bytes())
    _, port = await start(stack, "good", certificate)
    _, plain_port = await start(stack, "good")
    client = await stack.enter_async_context(http_client(tls=True))
    assert "certificate is not trusted" in (await Vllm(client, f"https://127.0.0.1:{port}").health()).why
    assert "does not speak TLS" in (await Vllm(client, f"https://127.0.0.1:{plain_port}").health()).why
    assert "try https://" in (await Vllm(client, f"http://127.0.0.1:{port}").health()).why


async def test_a_sweep_tells_of_each_and_of_the_good_ones_before_the_black_hole(stack: AsyncExitStack) -> None:
    kinds = ["black-hole", "silent", "refused", "500", "garbage", *["good"] * 12]
    urls = [f"http://127.0.0.1:{(await start(stack, kind))[1]}" for kind in kinds]
    client = await stack.enter_async_context(http_client(tls=False))
    sweep = Sweep(client, timeout_s=1.0, at_once=4)
    found = [each async for each in sweep.once(urls)]
    assert sorted(each.url for each in found) == sorted(urls)
    good = [place for place, each in enumerate(found) if each.ready]
    silent = [place for place, each in enumerate(found) if each.url in urls[:2]]
    assert len(good) == 12 and max(good) < min(silent), "two of the four slots are held, and the rest goes on"


@pytest.mark.slow
async def test_more_silent_ones_than_are_asked_at_once_hold_up_no_good_one(stack: AsyncExitStack) -> None:
    kinds = [*["silent"] * 3, *["black-hole"] * 3, *["good"] * 8]
    urls = [f"http://127.0.0.1:{(await start(stack, kind))[1]}" for kind in kinds]
    client = await stack.enter_async_context(http_client(tls=False))
    for whole in (False, True):
        found = [each async for each in Sweep(client, timeout_s=6.0, at_once=2).once(urls, whole=whole)]
        assert [each.ready for each in found] == [True] * 8 + [False] * 6


async def test_who_cannot_be_reached_is_not_asked_again_for_a_while_and_then_once(stack: AsyncExitStack) -> None:
    time = 100.0
    bad, bad_port = await start(stack, "closing")
    failing, failing_port = await start(stack, "500")
    urls = [f"http://127.0.0.1:{port}" for port in (bad_port, failing_port)]
    client = await stack.enter_async_context(http_client(tls=False))
    sweep = Sweep(client, clock=lambda: time)

    async def once() -> dict[str, Probed]:
        return {each.url: each async for each in sweep.once(urls)}

    assert not (await once())[urls[0]].notes
    skipped = (await once())[urls[0]]
    assert skipped.notes == ("not asked again for 1 s",) and "does not answer in HTTP" in skipped.why
    await once()
    assert failing.asked == ["/health"] * 3 and (await once())[urls[1]].notes, "three failures, then it is left out too"
    time = 101.5
    bad.kind = "good"
    assert (await once())[urls[0]].ready and not sweep.breakers[urls[0]].openings


async def test_a_sweep_that_is_left_ends_what_it_began(stack: AsyncExitStack) -> None:
    urls = [f"http://127.0.0.1:{(await start(stack, kind))[1]}" for kind in ("good", "silent")]
    client = await stack.enter_async_context(http_client(tls=False))
    looking = Sweep(client, timeout_s=600.0).once(urls)
    assert (await anext(looking)).ready
    await looking.aclose()  # type: ignore[attr-defined]
