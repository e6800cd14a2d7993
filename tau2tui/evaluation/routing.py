"""Which replica answers a call: read from the run directory while the fleet changes, shared out among all units."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tau2tui.core.breaker import Breaker
from tau2tui.core.error_class import ErrorClass
from tau2tui.core.layout import REPLICAS
from tau2tui.core.model import Phase, Replica
from tau2tui.core.wire import replica_from
from tau2tui.evaluation.faults import Abandoned, CallError

READ_EVERY_S = 2.0
_ROUTING = "[ROUTING]"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one replica answers."""

    replica: str
    url: str
    life: tuple[int, float | None] = (0, None)
    """Attempt and time of readiness: a replica that was started anew does not pay for the faults of its past."""


class Router:
    """Hands out replicas to any number of threads.

    A conversation stays with its replica, so that vLLM's prefix cache holds its beginning; otherwise the replica with
    the fewest requests in flight is chosen, and among equals the one with the fewest conversations. Callers wait while
    nobody can take the call, and go on in the order in which they came.
    """

    def __init__(self, max_in_flight: Mapping[str, int], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`max_in_flight`: by expert, the most requests at one of its replicas."""
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._changed = threading.Condition()
        self._closed = False
        self._endpoints: dict[str, tuple[Endpoint, ...]] = {}
        self._in_flight: Counter[str] = Counter()
        self._breakers: dict[str, Breaker] = {}
        self._queues: dict[str, deque[object]] = {}
        self._tell: Callable[[str], None] = _nobody
        self._last_replica: dict[tuple[str, str], str] = {}

    def listen(self, tell: Callable[[str], None]) -> None:
        """From now on every replica that is taken out, tried, and put back is told to this one."""
        self._tell = tell

    def update(self, replicas: Iterable[Replica]) -> None:
        """Take over the fleet as it was last seen."""
        by_expert: dict[str, list[Replica]] = {}
        for replica in replicas:
            by_expert.setdefault(replica.expert, []).append(replica)
        endpoints = {expert: _usable(members) for expert, members in by_expert.items()}
        with self._changed:
            known = {endpoint for members in self._endpoints.values() for endpoint in members}
            for endpoint in (endpoint for members in endpoints.values() for endpoint in members):
                if endpoint not in known:
                    self._breakers[endpoint.replica] = Breaker()
            self._endpoints = endpoints
            self._changed.notify_all()

    @contextmanager
    def lease(self, expert: str, conversation: str, deadline: float, tried: Collection[str] = ()) -> Iterator[Endpoint]:
        """A replica of this expert for one call; those already `tried` only if there is no other.

        Waits until one is ready and has room. Raises CallError at the deadline (monotonic), Abandoned on a stop.
        """
        with self._changed:
            endpoint = self._wait_for(expert, conversation, deadline, tried)
            self._in_flight[endpoint.replica] += 1
            self._last_replica[expert, conversation] = endpoint.replica
            breaker = self._breakers[endpoint.replica]
            trial = breaker.begin()
        if trial:
            self._tell(f"{_ROUTING} replica={endpoint.replica} state=half-open failures={breaker.failures}")
        try:
            yield endpoint
        finally:
            with self._changed:
                self._in_flight[endpoint.replica] -= 1
                if trial and not breaker.closed:  # given up before it could decide: the next call is the trial
                    breaker.on_trial = False
                self._changed.notify_all()

    def failed(self, endpoint: Endpoint, kind: ErrorClass) -> None:
        """A call failed by the fault of its replica: it may be taken out for a while."""
        with self._changed:
            breaker = self._breaker_of(endpoint)
            silent = kind in (ErrorClass.CONNECTION, ErrorClass.TIMEOUT)
            open_s = breaker.failed(self._clock(), at_once=silent) if breaker else None
        if breaker and open_s is not None:
            self._tell(
                f"{_ROUTING} replica={endpoint.replica} state=open failures={breaker.failures} "
                f"for_s={open_s:.1f} class={kind}"
            )

    def answered(self, endpoint: Endpoint) -> None:
        """The replica did its part, if only by refusing: it is put back if it was taken out."""
        with self._changed:
            breaker = self._breaker_of(endpoint)
            closed = breaker.succeeded() if breaker else False
            if closed:
                self._changed.notify_all()
        if closed:
            self._tell(f"{_ROUTING} replica={endpoint.replica} state=closed")

    def _breaker_of(self, endpoint: Endpoint) -> Breaker | None:
        """Its breaker, or None if another life of the replica has begun meanwhile."""
        known = any(endpoint in members for members in self._endpoints.values())
        return self._breakers[endpoint.replica] if known else None

    def has_other(self, expert: str, tried: Collection[str]) -> bool:
        """Whether a replica that was not tried yet could take a call at once."""
        with self._changed:
            return any(endpoint.replica not in tried for endpoint in self._open(expert))

    def forget(self, conversation: str) -> None:
        """The conversation is over."""
        with self._changed:
            for key in [key for key in self._last_replica if key[1] == conversation]:
                del self._last_replica[key]

    def close(self) -> None:
        """Send everyone who waits away with Abandoned."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _wait_for(self, expert: str, conversation: str, deadline: float, tried: Collection[str]) -> Endpoint:
        queue, ticket = self._queues.setdefault(expert, deque()), object()
        queue.append(ticket)
        try:
            return self._first_in(queue, ticket, expert, conversation, deadline, tried)
        finally:
            queue.remove(ticket)
            self._changed.notify_all()

    def _first_in(
        self,
        queue: deque[object],
        ticket: object,
        expert: str,
        conversation: str,
        deadline: float,
        tried: Collection[str],
    ) -> Endpoint:
        while not self._closed:
            candidates = self._open(expert) if queue[0] is ticket else []
            if candidates:
                fresh = [endpoint for endpoint in candidates if endpoint.replica not in tried]
                return self._choose(fresh or candidates, self._last_replica.get((expert, conversation)))
            now = self._clock()
            if now >= deadline:
                ready = len(self._endpoints.get(expert, ()))
                raise CallError(ErrorClass.CONNECTION, f"no replica of {expert} was free in time ({ready} ready)")
            # Woken by every change; that a breaker may be tried is a change that nobody announces.
            self._changed.wait(min(deadline - now, 0.5))
        raise Abandoned

    def _open(self, expert: str) -> list[Endpoint]:
        """Replicas that are ready, have room and are not taken out."""
        now = self._clock()
        most = self._max_in_flight.get(expert, 1)
        return [
            endpoint
            for endpoint in self._endpoints.get(expert, ())
            if self._in_flight[endpoint.replica] < most and self._breakers[endpoint.replica].lets_through(now)
        ]

    def _choose(self, candidates: list[Endpoint], last: str | None) -> Endpoint:
        for endpoint in candidates:
            if endpoint.replica == last:
                return endpoint
        homes = Counter(self._last_replica.values())
        return min(candidates, key=lambda endpoint: (self._in_flight[endpoint.replica], homes[endpoint.replica]))


def _nobody(words: str) -> None:
    """Nobody listens."""


def _usable(replicas: list[Replica]) -> tuple[Endpoint, ...]:
    """The ready replicas, or the degraded ones if none is ready."""
    for phase in (Phase.READY, Phase.DEGRADED):
        chosen = [replica for replica in replicas if replica.phase is phase and (replica.address or replica.node)]
        if chosen:
            return tuple(endpoint_of(replica) for replica in chosen)
    return ()


def endpoint_of(replica: Replica) -> Endpoint:
    """Where this replica answers."""
    return Endpoint(replica.name, f"{replica.url}/v1", (replica.attempt, replica.ready_at))


class FleetReader:
    """Keeps a router up to date with `replicas/*.json`, from a thread of its own."""

    def __init__(self, run_dir: Path, router: Router, stop: threading.Event) -> None:
        self._directory = run_dir / REPLICAS
        self._router = router
        self._stop = stop
        self._last: dict[str, Replica] = {}

    def start(self) -> None:
        """Read once, then every two seconds until the stop."""
        self._router.update(self.read())
        threading.Thread(target=self._follow, name="fleet reader", daemon=True).start()

    def read(self) -> tuple[Replica, ...]:
        """The fleet as it is now; of a file or directory that cannot be read, as it was last seen."""
        try:
            files = sorted(file for file in self._directory.iterdir() if file.suffix == ".json")
        except OSError:
            return tuple(self._last.values())
        seen: dict[str, Replica] = {}
        for file in files:
            try:
                seen[file.name] = replica_from(json.loads(file.read_bytes()))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                if file.name in self._last:
                    seen[file.name] = self._last[file.name]
        self._last = seen
        return tuple(seen.values())

    def _follow(self) -> None:
        while not self._stop.wait(READ_EVERY_S):
            self._router.update(self.read())
