"""Which replica gets a call, and what the router sees of a fleet that changes under it."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from tau2tui.core.breaker import FIRST_OPEN_S, PATIENCE
from tau2tui.core.error_class import ErrorClass
from tau2tui.core.model import Phase
from tau2tui.evaluation.faults import Abandoned, CallError
from tau2tui.evaluation.routing import Endpoint, FleetReader, Router
from tests.processes import wait_for
from tests.sample import make_replica

PATIENCE_S = 20.0


class Clock:
    """A monotonic clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked_by: set[str] = set()
        """Names of threads."""

    def __call__(self) -> float:
        self.asked_by.add(threading.current_thread().name)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def router(clock: Clock) -> Router:
    """Two replicas of expert-1, at most two requests at once at each."""
    router = Router({"expert-1": 2}, clock=clock)
    router.update([make_replica("expert-1-0", port=1910), make_replica("expert-1-1", port=1911)])
    return router


def chosen(router: Router, conversation: str, tried: tuple[str, ...] = (), deadline: float = 1e9) -> str:
    with router.lease("expert-1", conversation, deadline, tried) as endpoint:
        return endpoint.replica


@contextmanager
def held(router: Router, *conversations: str) -> Iterator[list[str]]:
    """Requests in flight."""
    with ExitStack() as stack:
        yield [stack.enter_context(router.lease("expert-1", name, 1e9)).replica for name in conversations]


def test_a_replica_is_reached_at_its_address() -> None:
    router = Router({"expert-1": 1})
    router.update([make_replica(address="10.0.0.2", port=1910)])
    with router.lease("expert-1", "a", 1e9) as endpoint:
        assert endpoint.url == "http://10.0.0.2:1910/v1"
    router.update([make_replica(address="fd00::2", port=1910)])
    with router.lease("expert-1", "a", 1e9) as endpoint:
        assert endpoint.url == "http://[fd00::2]:1910/v1"


def test_a_conversation_stays_with_its_replica(router: Router) -> None:
    home = chosen(router, "a")
    with held(router, "b", "c"):
        assert {chosen(router, "a") for _ in range(5)} == {home}


def test_conversations_are_shared_out_even_if_none_has_a_request_in_flight(router: Router) -> None:
    homes = Counter(chosen(router, f"conversation {number}") for number in range(10))
    assert homes == {"expert-1-0": 5, "expert-1-1": 5}


def test_a_new_conversation_goes_where_the_fewest_requests_are_in_flight(router: Router) -> None:
    with held(router, "a") as (busy,):
        assert chosen(router, "b") != busy


def test_a_full_replica_is_left_for_another(router: Router) -> None:
    router.update([make_replica("expert-1-0")])
    home = chosen(router, "a")
    with held(router, "x", "y"):
        router.update([make_replica("expert-1-0"), make_replica("expert-1-1")])
        assert chosen(router, "a") != home


def test_nobody_gets_more_than_fits_and_who_waits_goes_on_when_there_is_room(router: Router) -> None:
    got: list[str] = []
    with held(router, "a", "b", "c", "d") as replicas:
        assert Counter(replicas) == {"expert-1-0": 2, "expert-1-1": 2}
        waiting = threading.Thread(target=lambda: got.append(chosen(router, "e")), daemon=True)
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
    waiting.join(PATIENCE_S)
    assert len(got) == 1


def test_who_was_tried_comes_last(router: Router) -> None:
    home = chosen(router, "a")
    other = chosen(router, "a", tried=(home,))
    assert other != home
    assert chosen(router, "a", tried=(home, other)) in (home, other)
    assert router.has_other("expert-1", [home])
    assert not router.has_other("expert-1", [home, other])


def unreachable(router: Router) -> Endpoint:
    """A replica that just could not be reached."""
    with router.lease("expert-1", "a", 1e9) as failing:
        router.failed(failing, ErrorClass.CONNECTION)
    return failing


def test_a_replica_that_failed_is_taken_out_then_tried_by_one_call_and_put_back(router: Router, clock: Clock) -> None:
    told: list[str] = []
    router.listen(told.append)
    failing = unreachable(router)
    assert chosen(router, "a") != failing.replica
    clock.now += FIRST_OPEN_S
    with router.lease("expert-1", "b", 1e9) as trial:
        assert trial == failing
        assert {chosen(router, name) for name in "cdef"} == {({"expert-1-0", "expert-1-1"} - {failing.replica}).pop()}
        router.answered(trial)
    with held(router, "x", "y") as replicas:
        assert set(replicas) == {"expert-1-0", "expert-1-1"}
    name = f"[ROUTING] replica={failing.replica}"
    assert told == [
        f"{name} state=open failures=1 for_s=1.0 class=connection",
        f"{name} state=half-open failures=1",
        f"{name} state=closed",
    ]


def test_a_trial_that_fails_takes_it_out_for_longer_and_one_that_is_given_up_decides_nothing(
    router: Router, clock: Clock
) -> None:
    failing = unreachable(router)
    clock.now += FIRST_OPEN_S
    with router.lease("expert-1", "b", 1e9, ["expert-1-0" if failing.replica == "expert-1-1" else "expert-1-1"]):
        pass  # the driver stopped the unit
    with router.lease("expert-1", "b", 1e9) as trial:
        assert trial == failing
        router.failed(trial, ErrorClass.TIMEOUT)
    clock.now += 2 * FIRST_OPEN_S - 0.1
    assert {chosen(router, name) for name in "cdef"} != {failing.replica}
    assert not router.has_other("expert-1", [name for name in ("expert-1-0", "expert-1-1") if name != failing.replica])
    clock.now += 0.1
    assert router.has_other("expert-1", [name for name in ("expert-1-0", "expert-1-1") if name != failing.replica])


def test_errors_of_a_replica_that_still_answers_take_it_out_only_in_a_row(router: Router) -> None:
    with router.lease("expert-1", "a", 1e9) as failing:
        for _ in range(3):
            for _ in range(PATIENCE - 1):
                router.failed(failing, ErrorClass.SERVER)
            router.answered(failing)
        assert router.has_other("expert-1", [name for name in ("expert-1-0", "expert-1-1") if name != failing.replica])
        for _ in range(PATIENCE):
            router.failed(failing, ErrorClass.SERVER)
    assert chosen(router, "a") != failing.replica


def test_what_a_former_life_did_late_says_nothing_of_the_present_one(router: Router) -> None:
    with router.lease("expert-1", "a", 1e9) as failing:
        router.update([make_replica("expert-1-0", attempt=2), make_replica("expert-1-1", attempt=2)])
        router.failed(failing, ErrorClass.CONNECTION)
    assert chosen(router, "a") == failing.replica


def test_who_came_first_goes_on_first(clock: Clock) -> None:
    router = Router({"expert-1": 1}, clock=clock)
    router.update([make_replica("expert-1-0")])
    order: list[str] = []
    go_on = {name: threading.Event() for name in "abcde"}

    def call(name: str) -> None:
        with router.lease("expert-1", name, 1e9):
            order.append(name)
            go_on[name].wait(PATIENCE_S)

    def begin(name: str) -> threading.Thread:
        thread = threading.Thread(target=call, args=(name,), name=name, daemon=True)
        thread.start()
        # Who has come looks at the clock, to see how long to wait.
        wait_for(lambda: name in clock.asked_by, f"{name} has come", PATIENCE_S)
        return thread

    threads = [begin(name) for name in go_on]
    for name, thread in zip(go_on, threads, strict=True):
        go_on[name].set()
        thread.join(PATIENCE_S)
    assert order == list("abcde")


def test_a_replica_that_was_started_anew_is_trusted_at_once(router: Router) -> None:
    failing = unreachable(router)
    router.update([make_replica(failing.replica, attempt=2)])
    assert chosen(router, "a") == failing.replica


def test_a_degraded_replica_is_better_than_none(router: Router) -> None:
    router.update([make_replica("expert-1-0", Phase.DEGRADED), make_replica("expert-1-1")])
    assert {chosen(router, name) for name in "abcd"} == {"expert-1-1"}
    router.update([make_replica("expert-1-0", Phase.DEGRADED), make_replica("expert-1-1", Phase.LOADING)])
    assert chosen(router, "a") == "expert-1-0"


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in (Phase.READY, Phase.DEGRADED)])
def test_a_replica_that_is_not_ready_gets_nothing_and_the_wait_has_an_end(phase: Phase) -> None:
    router = Router({"expert-1": 1})
    router.update([make_replica("expert-1-0", phase)])
    with pytest.raises(CallError, match=r"no replica of expert-1 was free in time \(0 ready\)") as caught:
        chosen(router, "a", deadline=time.monotonic())
    assert caught.value.kind is ErrorClass.CONNECTION


def test_a_replica_that_comes_back_is_used_without_a_restart() -> None:
    router = Router({"expert-1": 1})
    router.update([make_replica("expert-1-0", Phase.STARTING)])
    got: list[str] = []
    waiting = threading.Thread(target=lambda: got.append(chosen(router, "a")), daemon=True)
    waiting.start()
    router.update([make_replica("expert-1-0")])
    waiting.join(PATIENCE_S)
    assert got == ["expert-1-0"]


def test_a_stop_sends_away_who_waits() -> None:
    router = Router({"expert-1": 1})
    ends: list[type[Exception]] = []

    def wait() -> None:
        try:
            chosen(router, "a")
        except Abandoned as end:
            ends.append(type(end))

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    router.close()
    waiting.join(PATIENCE_S)
    assert ends == [Abandoned]


def write(run_dir: Path, name: str, phase: Phase = Phase.READY) -> Path:
    file = run_dir / "replicas" / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(asdict(make_replica(name, phase))))
    return file


def test_the_fleet_is_read_from_the_run_directory(tmp_path: Path) -> None:
    reader = FleetReader(tmp_path, Router({}), threading.Event())
    assert reader.read() == ()
    write(tmp_path, "expert-1-0")
    gone = write(tmp_path, "expert-1-1")
    (tmp_path / "replicas" / ".half.tmp").write_text("{")
    assert [replica.name for replica in reader.read()] == ["expert-1-0", "expert-1-1"]
    gone.unlink()
    assert [replica.name for replica in reader.read()] == ["expert-1-0"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"phase": "ready", "port": "x"}', '{"phase": "?", "port": 1}'])
def test_a_file_that_cannot_be_read_says_nothing_new(tmp_path: Path, text: str) -> None:
    reader = FleetReader(tmp_path, Router({}), threading.Event())
    file = write(tmp_path, "expert-1-0")
    before = reader.read()
    file.write_text(text)
    assert reader.read() == before
    (tmp_path / "replicas").rename(tmp_path / "elsewhere")
    assert reader.read() == before


def test_the_router_follows_the_files(tmp_path: Path) -> None:
    stop = threading.Event()
    router = Router({"expert-1": 1})
    try:
        FleetReader(tmp_path, router, stop).start()
        write(tmp_path, "expert-1-0")
        assert chosen(router, "a", deadline=time.monotonic() + PATIENCE_S) == "expert-1-0"
    finally:
        stop.set()
