"""The nouns: what can be seen of jobs, replicas and an evaluation, at one moment.

All times are Unix seconds of the machine that wrote them, all durations seconds, all shares fractions 0–1.
`None` means "not known", never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class JobState(StrEnum):
    """The states of a job that decisions are made on; all others of SLURM's are UNKNOWN, never an end.

    FORGOTTEN: the controller answers and does not know it any more, and no accounting says how it ended.
    """

    PENDING = "pending"
    RUNNING = "running"
    COMPLETING = "completing"
    ENDED = "ended"
    FORGOTTEN = "forgotten"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the scheduler, as its queue shows it."""

    id: str
    name: str
    state: JobState
    raw_state: str
    """The scheduler's own word, such as NODE_FAIL."""
    nodes: str = ""
    reason: str = ""
    """Why it waits or how it ended, in the scheduler's words; may hold spaces and commas."""
    time_left_s: float | None = None
    comment: str = ""
    """What the submitter wrote on it: ours names the run."""

    @property
    def may_live(self) -> bool:
        """Whether something of it may still be there: it is neither ended nor forgotten."""
        return self.state not in (JobState.ENDED, JobState.FORGOTTEN)


class Phase(StrEnum):
    """How far a replica is, as its node agent sees it; the order is that of a healthy life."""

    WAITING = "waiting"
    CLEANING = "cleaning"
    STARTING = "starting"
    LOADING = "loading"
    COMPILING = "compiling"
    CAPTURING = "capturing"
    SERVING = "serving"
    READY = "ready"
    DEGRADED = "degraded"
    DRAINING = "draining"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Level(StrEnum):
    """The four levels of readiness, in order; each needs the ones before it."""

    ALIVE = "alive"
    HEALTH = "health"
    IDENTITY = "identity"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class Load:
    """What a server said of itself in /metrics; None where it does not report a value."""

    running: float | None = None
    waiting: float | None = None
    kv_cache: float | None = None
    """Share of the KV cache in use, 0–1; of several engines the largest."""
    generation_tokens_s: float | None = None
    prompt_tokens_s: float | None = None
    requests_s: float | None = None
    """Requests that ended, a second. These and all rates, shares and quantiles are over `window_s`."""
    waiting_by_reason: dict[str, float] | None = None
    """capacity, or deferred; since vLLM 0.32."""
    ttft_p50_s: float | None = None
    ttft_p99_s: float | None = None
    """Time to the first token; interpolated in buckets, and beyond the last bound that bound."""
    e2e_p50_s: float | None = None
    e2e_p99_s: float | None = None
    """From the arrival of a request to its end."""
    queue_s: float | None = None
    """The mean time that requests waited before they ran."""
    itl_s: float | None = None
    """The mean time between two tokens."""
    itl_usual_s: float | None = None
    """The same since the server began."""
    prefix_hit_share: float | None = None
    """Of the prompt tokens those that were found in the prefix cache, 0–1."""
    preemptions_per_min: float | None = None
    failed_share: float | None = None
    """Of the responses of the API those with 5xx, 0–1."""
    window_s: float | None = None
    """The stretch that was looked at, up to a minute."""
    waiting_since: float | None = None
    """Since when some request has always waited; None if none does."""
    restarted_at: float | None = None
    """When the counters were last seen to have begun anew, without the node agent having started the server."""
    process_start: float | None = None
    """When the server's process began, as it says itself."""
    queue_p50_s: float | None = None
    queue_p99_s: float | None = None
    itl_p50_s: float | None = None
    itl_p99_s: float | None = None
    """Of what `queue_s` and `itl_s` are the means; interpolated in buckets as well."""
    preemptions_total: float | None = None
    prefix_queries_total: float | None = None
    prefix_hits_total: float | None = None
    """Preemptions, and prompt tokens that were looked for and found in the prefix cache, since the server began."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One server, as its node agent last wrote it."""

    name: str
    expert: str
    model: str
    job: str
    """Name of its job, such as oss_eval_node1."""
    job_id: str
    phase: Phase
    port: int
    why: str = ""
    """What it waits for, or why it is not ready."""
    level: Level | None = None
    """The highest level of readiness that is proved."""
    node: str = ""
    address: str = ""
    gpus: tuple[int, ...] = ()
    pid: int | None = None
    attempt: int = 0
    exit_status: int | None = None
    last_error: str = ""
    failure: str = ""
    """The class of the last failure: configuration, hardware, memory, other; empty without one."""
    restart_at: float | None = None
    """When a failed one is started again by itself."""
    log: str = ""
    """Its log file, relative to the run directory."""
    phase_since: float | None = None
    phases: tuple[tuple[str, float], ...] = ()
    """The phases of this attempt, each with when it began."""
    started_at: float | None = None
    ready_at: float | None = None
    heartbeat_at: float = 0.0
    load: Load = field(default_factory=Load)

    @property
    def url(self) -> str:
        """The root of its server: at its address, or at its node if it knows none."""
        address = self.address or self.node
        return f"http://{f'[{address}]' if ':' in address else address}:{self.port}"


class EvalState(StrEnum):
    """What the evaluation driver is doing."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """No more units will be finished by this driver."""
        return self in (EvalState.FINISHED, EvalState.STOPPED, EvalState.FAILED)


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """Counts of the tasks of one domain in one trial that have ended."""

    ok: int = 0
    errors: int = 0
    passed: int = 0


@dataclass(frozen=True, slots=True)
class DomainProgress:
    """Counts of units (task × trial) in one domain. `finished` = `ok` + `errors`."""

    domain: str
    total: int
    ok: int = 0
    """Evaluated by tau2, whatever the reward."""
    errors: int = 0
    """Ended by an infrastructure error: no reward, will be run again on resume."""
    running: int = 0
    passed: int = 0
    """Units with full reward (1.0)."""
    reward_sum: float = 0.0
    trials: tuple[TrialProgress, ...] = ()
    """The same by trial, as far as units of it have ended; empty in the states of older drivers."""

    @property
    def finished(self) -> int:
        return self.ok + self.errors


@dataclass(frozen=True, slots=True)
class RunningUnit:
    """A simulation in flight."""

    domain: str
    task_id: str
    trial: int
    started_at: float
    last_event_at: float
    steps: int = 0
    doing: str = ""
    """What it waits for: the series of a model (orchestrator, expert-1, user), tool, or evaluator."""
    replica: str = ""
    stalled: bool = False
    """Nothing has happened in it for longer than the evaluation's stall_s."""

    @property
    def name(self) -> str:
        """As people and requests name it."""
        return unit_name(self.domain, self.task_id, self.trial)

    @property
    def waits_for(self) -> str:
        """What it waits for, and where."""
        return f"{self.doing or 'its start'} at {self.replica}" if self.replica else self.doing or "its start"


def unit_name(domain: str, task_id: str, trial: int) -> str:
    """The name of a unit of work: task ids are unique in their domain only."""
    return f"{domain}/{task_id}#{trial}"


FULL_REWARD = 1 - 1e-6
"""From this reward on a unit has passed: the tolerance is that of tau2's `is_successful`."""


@dataclass(frozen=True, slots=True)
class EvalProgress:
    """eval/state.json, as the driver last wrote it."""

    state: EvalState
    started_at: float
    updated_at: float
    domains: tuple[DomainProgress, ...] = ()
    running: tuple[RunningUnit, ...] = ()
    durations_s: tuple[float, ...] = ()
    """Durations of the finished units, in the order in which they ended."""
    duration_domains: tuple[str, ...] = ()
    """The domain of each of them; empty in the states of older drivers."""
    unit_starts: tuple[float, ...] = ()
    """When each of them began, in Unix seconds; empty likewise."""
    finished_before: int = 0
    """How many of the finished units an earlier driver of the run has finished."""
    one_domain_at_a_time: bool = False
    """The domains are run one after the other, in their order."""
    max_concurrency: int = 1
    errors: dict[str, int] = field(default_factory=dict)
    """Failed attempts by error class, retried ones included."""
    errors_by_replica: dict[str, int] = field(default_factory=dict)
    errors_by_role: dict[str, int] = field(default_factory=dict)
    """Whose calls they were: agent, expert or user. Those of the user simulator never count against the agent."""
    calls: dict[str, int] = field(default_factory=dict)
    """Model calls by series."""
    steps: int = 0
    """Steps that simulations of this driver have gone through."""
    retries: int = 0
    unit_errors: dict[str, int] = field(default_factory=dict)
    """Units by the class of the infrastructure error that ended them; the next start runs these again."""
    terminations: dict[str, int] = field(default_factory=dict)
    """Evaluated units by tau2's termination reason; max_steps and too_many_errors are the models' own failures."""
    cost_usd: dict[str, float] = field(default_factory=dict)
    """Cost of the model calls by series, at the configured prices."""
    tokens: dict[str, int] = field(default_factory=dict)
    """Input and output tokens by series."""
    budget_usd: float | None = None
    budget_tokens: int | None = None
    """The limits; None: there is none."""
    budget_counts: tuple[str, ...] = ()
    """The series that count towards the limits."""
    why: str = ""
    finished_at: float | None = None
    pid: int | None = None
    host: str = ""

    @property
    def total(self) -> int:
        return sum(domain.total for domain in self.domains)

    @property
    def finished(self) -> int:
        return sum(domain.finished for domain in self.domains)

    @property
    def evaluated(self) -> int:
        """Units that tau2 has evaluated, whatever the reward."""
        return sum(domain.ok for domain in self.domains)

    @property
    def passed(self) -> int:
        """Those of them with full reward."""
        return sum(domain.passed for domain in self.domains)

    @property
    def lost(self) -> int:
        """Units that ended by an infrastructure error: the next start runs them again."""
        return sum(domain.errors for domain in self.domains)

    @property
    def spent_usd(self) -> float:
        """What counts towards the budget, in US dollars."""
        return sum(self.cost_usd.get(series, 0.0) for series in self.budget_counts)

    @property
    def spent_tokens(self) -> int:
        """The same in tokens."""
        return sum(self.tokens.get(series, 0) for series in self.budget_counts)


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A value, when its read began, and what went wrong since.

    A source that fails keeps its last value and says why: "no jobs" and "squeue did not answer" stay different things.
    """

    value: T | None = None
    at: float | None = None
    """When the read that gave `value` began; None: never read."""
    error: str = ""
    """Why the newest read failed; empty if it did not."""
    failed_at: float | None = None

    def stale(self, now: float, after_s: float) -> bool:
        """Whether `value` is too old, or too doubtful, to conclude anything from."""
        return self.at is None or now - self.at > after_s


@dataclass(frozen=True, slots=True)
class DirtyNode:
    """A node on whose GPUs something was found that could not, or must not, be ended."""

    node: str
    at: float
    """When that was seen first."""
    reason: str
    gpus: tuple[str, ...] = ()
    run: str = ""


@dataclass(frozen=True, slots=True)
class RunState:
    """One look into a run directory."""

    replicas: tuple[Replica, ...] = ()
    successors: tuple[Replica, ...] = ()
    """Replicas of a job that will take over when they are ready, by the same names."""
    predecessors: tuple[Replica, ...] = ()
    """Replicas that were taken over from, while they drain and after."""
    dirty_nodes: tuple[DirtyNode, ...] = ()
    """Of all runs in the same place."""
    evaluation: EvalProgress | None = None
    clock: float = 0.0
    """The cluster's clock when it looked: ages are taken against this one, not against ours."""
    unreadable: tuple[str, ...] = ()
    """Files that should have been readable and were not."""


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds until the last unit ends: the median and the bounds of an interval of 80 %."""

    low_s: float
    middle_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that was seen, each part with its own age."""

    jobs: Reading[tuple[Job, ...]] = Reading()
    run: Reading[RunState] = Reading()
    time_left: TimeLeft | None = None
    """Of the evaluation that runs, by what was seen of it a short while ago."""
