"""config.toml, read and checked; nothing else in the package reads settings.

Every model is frozen and refuses unknown keys. The order of the classes is the order of the file.
"""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tomli
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tau2tui import defaults
from tau2tui.defaults import Domain
from tau2tui.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace `$VAR` and `${VAR}` once, and never again: what a variable holds is not expanded further.

    A leading `~` is kept: it means the home directory on the machine where the path is used, which may not be this one.
    Raises ValueError for a variable that is not set; an unexpanded `$REPO_PATH` cost a whole run once.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in environ:
            raise ValueError(f"the environment variable ${name} is not set")
        return environ[name]

    return _VARIABLE.sub(value, text)


@dataclass(frozen=True, slots=True)
class _Home:
    """Validation context: the home directory that `~` stands for."""

    directory: str


def is_name(text: str) -> bool:
    """Whether a text may become the name of a file, a job or a run: letters, digits, `_`, `.` and `-` only."""
    return _NAME.fullmatch(text) is not None


def _checked_name(text: str) -> str:
    if not is_name(text):
        raise ValueError(f"{text!r} is not a name: use letters, digits, '_', '.' and '-', at most 63")
    return text


def _one_line(text: str) -> str:
    """A newline or a NUL in a value could become another line of a job script."""
    if _CONTROL.search(text):
        raise ValueError("control characters (newline, tab, NUL) are not allowed here")
    return text


def _expanded(text: str, info: ValidationInfo) -> str:
    """Expand with the environment, or the home, that the validation was given; without one it was done before."""
    text = _one_line(text)
    match info.context:
        case _Home(directory) if text == "~" or text.startswith("~/"):
            return directory + text[1:]
        case Mapping():
            return expand(text, info.context)
        case _:
            return text


Name = Annotated[str, AfterValidator(_checked_name)]
Line = Annotated[str, AfterValidator(_one_line)]
ClusterPath = Annotated[str, AfterValidator(_expanded)]
"""A path on the machine where the job runs, with `$VAR` expanded and a leading `~` kept."""
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
SlurmTime = Annotated[str, Field(pattern=r"^(\d+-)?\d{1,2}(:\d{2}){0,2}$|^\d+(:\d{2})?$")]
"""As `sbatch --time` takes it; `core.slurm_time` reads it."""
SlurmOption = Annotated[str, AfterValidator(_one_line), Field(pattern=r"^--?[A-Za-z]")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RunConfig(_Section):
    """Where runs live and what the parts of one are called."""

    directory: ClusterPath = "~/tau2tui-runs"
    """Parent of all run directories, on the cluster's shared file system; absolute, or below `~` or `$VAR`."""
    logs: Name = "logs"
    """Directory of a run's logs; the seed called it logs_oss_full."""
    outputs: Name = "outputs"
    """Directory of a run's results; the seed called it outputs_oss_full."""


class ClusterConfig(_Section):
    """How to reach the cluster and what starts jobs there."""

    scheduler: Literal["slurm", "local"] = "slurm"
    """`local` runs the same job scripts on this machine, without SLURM."""
    login: Line = ""
    """Login node, as `ssh` knows it (host or alias, or user@host); empty: this machine is the login node."""
    port: Port | None = None
    """Port of sshd on the login node; not set: what `ssh` would take."""
    ssh_config: ClusterPath = ""
    """An ssh_config to use instead of ~/.ssh/config."""
    python: ClusterPath = "python3"
    """Python ≥ 3.8 on login and compute nodes, for the node agent: it needs no packages."""
    tau2tui: tuple[ClusterPath, ...] = ()
    """How to start tau2tui on the login node, for the evaluation; empty: `tau2tui`, or this very program if local."""


class EnvironmentConfig(_Section):
    """What a job sets up before it starts: files to source, modules, conda, a venv, lines of your own."""

    source: tuple[ClusterPath, ...] = ()
    """Shell files on the cluster that the job sources first, such as ~/.bashrc."""
    modules: tuple[Line, ...] = ()
    """Loaded one after the other with `module load`."""
    conda: Line = ""
    """The conda environment to activate; empty: none."""
    conda_prefix: ClusterPath = "~/miniconda3"
    """Where conda is installed."""
    venv: ClusterPath = ""
    """The virtual environment to activate; empty: none."""
    lines: tuple[Line, ...] = ()
    """Lines of shell, taken as they are: the one setting that a shell interprets."""
    container: tuple[ClusterPath, ...] = ()
    """What every server's command is put behind, such as ["apptainer", "exec", "--nv", "~/vllm.sif"]."""
    variables: dict[Name, Line] = {}
    """Environment variables of every server. Never a secret: those come from the environment of the job."""


class SlurmConfig(_Section):
    """The header of the job scripts: one job for each node."""

    partition: Line = ""
    """Empty: the cluster's default partition."""
    time: SlurmTime = "24:00:00"
    """Time limit of each job, as `sbatch --time` takes it."""
    account: Line = ""
    """Empty: your default account."""
    qos: Line = ""
    """Quality of service; empty: the default one."""
    job_name: Annotated[str, AfterValidator(_one_line), Field(pattern=r"^[A-Za-z0-9_.-]*\{node\}[A-Za-z0-9_.-]*$")] = (
        "oss_eval_node{node}"
    )
    """Name of each job; `{node}` in it becomes the number of the node."""
    gpus_per_node: Annotated[int, Field(ge=0, le=64)] = 8
    """0 leaves the request out, for clusters where `extra` has to say it in another way."""
    gpu_option: Literal["gpus-per-node", "gres"] = "gpus-per-node"
    """How GPUs are asked for: `--gpus-per-node=8` or `--gres=gpu:8`."""
    gpu_type: Line = ""
    """Such as "h100", if the cluster wants it: --gres=gpu:h100:8."""
    ntasks_per_node: Annotated[int, Field(ge=0)] = 1
    """0 leaves it out."""
    mem: Line = "0"
    """As `sbatch --mem` takes it; "0" is all memory of the node."""
    exclusive: bool = True
    """Whether the job has its node for itself (`--exclusive`)."""
    overcommit: bool = True
    """`--overcommit`, as the seed had it."""
    singleton: bool = True
    """--dependency=singleton: never two jobs of one name at a time."""
    nodelist: tuple[Line, ...] = ()
    """Nodes that must be among those of the job."""
    exclude: tuple[Line, ...] = ()
    """Nodes on which no job must start."""
    constraint: Line = ""
    """Features that the nodes must have."""
    reservation: Line = ""
    """The reservation to run in; empty: none."""
    requeue: bool | None = None
    """Whether SLURM may start a job again after a node failure; not set: as the cluster has it."""
    extra: tuple[SlurmOption, ...] = ()
    """More options, one string each, such as "--constraint=h100"."""
    grace_s: Annotated[int, Field(ge=10)] = 120
    """How long before the time limit the job is told to end in good order."""
    hand_over_s: Seconds = 3600
    """How long before the time limit of a job its successor may start (`relaunch --hand-over`)."""


class RestartConfig(_Section):
    """Whether a server that ended by itself is started again in its place, without anybody asking."""

    attempts: Annotated[int, Field(ge=0)] = 3
    """How often in a row. What another try cannot mend (a wrong flag, a broken GPU) is not tried again."""
    backoff_s: Seconds = 10
    """Before the first; each further wait is twice as long."""
    backoff_max_s: Seconds = 300
    """The longest wait between two attempts."""
    healthy_s: Seconds = 600
    """After so long in good health the count starts anew."""


class ServeConfig(_Section):
    """How a replica is served, whatever its model."""

    engine: Literal["vllm", "rehearsal"] = "vllm"
    """`rehearsal` plays the models with small servers, without GPUs."""
    command: tuple[Line, ...] = ("vllm", "serve")
    """The program that serves a model, and its first arguments."""
    host: Line = "0.0.0.0"  # noqa: S104 - the evaluation reaches the replicas over the cluster's network
    """The address on which servers listen; 0.0.0.0: every address of the node."""
    cache: ClusterPath = "~/.cache/tau2tui"
    """Parent of the compile caches; each replica gets its own below it."""
    start_timeout_s: Seconds = 1800
    """For so long a replica may take to become ready."""
    stop_timeout_s: Seconds = 30
    """From the first TERM to the KILL."""
    start_after: Literal["delay", "loaded"] = "delay"
    """Start the next replica of a node after its stagger_s, or when the one before it has loaded its weights."""
    restart: RestartConfig = RestartConfig()


class PlacementConfig(_Section):
    """Where experts go that name no node of their own."""

    nodes: Annotated[int, Field(ge=1)] | None = None
    """At most so many nodes; not set: as many as it takes."""
    gpus_per_node: Annotated[int, Field(ge=1, le=64)] = 8
    """GPUs of a node that may be used."""
    first_port: Port = 1900
    """Port of the first packed replica; the others follow."""


Role = Literal["agent", "expert", "user"]
Scalar = bool | int | float | str
Argument = Scalar | tuple[Scalar | tuple[Scalar, ...], ...] | dict[str, Any]
"""Of a server: a flag, a value, several values or repetitions, or JSON."""


class ExpertConfig(_Section):
    """One model in a role, with its replicas and the place where they run."""

    model: Line
    """The name that is served and that requests carry."""
    checkpoint: ClusterPath = ""
    """A checkpoint directory to load instead of the hub's model of that name."""
    role: Role = "expert"
    """The orchestrator is the `agent`, exactly one; `user` plays the user simulator, at most one."""
    node: Annotated[int, Field(ge=1)] | tuple[Annotated[int, Field(ge=1)], ...] | None = None
    """The node, or the nodes over which the replicas are spread evenly; without node, gpus and port it is packed."""
    gpus: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Its GPUs on each of its nodes: the next tensor_parallel of them for each replica."""
    port: Port | None = None
    """Port of the first replica; the others follow."""
    replicas: Annotated[int, Field(ge=1)] = 1
    """How many servers of it run."""
    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    """GPUs of each replica."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.95
    """vLLM's: the share of each GPU's memory that it takes. With speculative decoding 0.88 is safer."""
    stagger_s: Annotated[float, Field(ge=0)] = 30
    """Seconds between the starts of two replicas: they compete for disk and memory while they load."""
    tool_call_parser: Line = ""
    """vLLM's, for calls of tools: it must fit the chat template. Empty: tool calls are not enabled."""
    chat_template: ClusterPath = ""
    """A Jinja file on the cluster, `builtin:hermes` or `builtin:llama3.1-json`; empty: the model's own."""
    speculative_config: dict[str, str | int | float | bool] = {}
    """vLLM's settings of speculative decoding, such as method and num_speculative_tokens."""
    args: tuple[Line, ...] | dict[Name, Argument] = ()
    """More arguments of the server: strings as they are, or by name (`max-model-len = 32768`).

    By name, true and false are `--name` and `--no-name`, a list repeats the option, a list in it gives several values
    at once, and a table becomes JSON.
    """
    thinking: bool = True
    """False: ask for non-thinking answers (Qwen3)."""
    thinking_switch: Literal["suffix", "template"] = "suffix"
    """How: `/no_think` after every user message, or `enable_thinking = false` for the server's chat template."""
    probe: Literal["tools", "text", "none"] = "tools"
    """The completion that proves a replica ready: one that must come back as a parsed tool call, any text, or none."""
    strengths: Line = ""
    """What the orchestrator is told about this expert."""
    latency_s: Annotated[float, Field(gt=0)] | None = None
    """What it is told of the expert's answers, in seconds, until enough of them were measured in the run."""
    price_in: Annotated[float, Field(ge=0)] = 0.0
    """US dollars for a million input tokens."""
    price_out: Annotated[float, Field(ge=0)] = 0.0
    """US dollars for a million output tokens."""
    max_concurrency: Annotated[int, Field(ge=1)] = 64
    """Most requests in flight at one replica."""

    @field_validator("args")
    @classmethod
    def _no_nul(cls, args: tuple[str, ...] | dict[str, Argument]) -> tuple[str, ...] | dict[str, Argument]:
        """Other control characters are taken by name: no shell reads them, but no program can be started with a NUL."""
        for name, value in args.items() if isinstance(args, dict) else ():
            words = value if isinstance(value, tuple) else (value,)
            if any("\0" in str(word) for item in words for word in (item if isinstance(item, tuple) else (item,))):
                raise ValueError(f"{name}: no argument of a program can hold a NUL")
        return args

    @model_validator(mode="after")
    def _place_fits(self) -> ExpertConfig:
        said = [name for name in ("node", "gpus", "port") if getattr(self, name)]
        if not said or said == ["port"]:
            return self
        if len(said) < 3:
            raise ValueError("a place is node, gpus and port together; leave all three out to have it packed")
        if len(set(self.gpus)) != len(self.gpus):
            raise ValueError("a GPU is named twice")
        if self.replicas % len(self.nodes):
            raise ValueError(f"{self.replicas} replicas cannot be spread evenly over {len(self.nodes)} nodes")
        here = self.replicas // len(self.nodes)
        if len(self.gpus) != here * self.tensor_parallel:
            raise ValueError(
                f"{here} replicas × tensor_parallel {self.tensor_parallel} need {here * self.tensor_parallel} GPUs, "
                f"but gpus names {len(self.gpus)}"
            )
        if self.ports[-1] > 65535:
            raise ValueError(f"{self.replicas} ports from {self.port} go beyond 65535")
        return self

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes it is pinned to; none if it is packed."""
        return () if self.node is None else (self.node,) if isinstance(self.node, int) else self.node

    @property
    def ports(self) -> tuple[int, ...]:
        """Replica i listens on `port + i`; none are known before a packed one is placed."""
        return () if self.port is None else tuple(range(self.port, self.port + self.replicas))


class UserConfig(_Section):
    """The user simulator: a model behind any OpenAI-compatible server, or an expert of this fleet with role "user"."""

    model: Line = "gpt-5"
    """The name in the requests."""
    base_url: Line = "https://api.openai.com/v1"
    """The server's address, up to and with /v1."""
    api_key_env: Name = "OPENAI_API_KEY"
    """Name of the variable that holds the key, where the evaluation runs. The key itself never stands in a file."""
    price_in: Annotated[float, Field(ge=0)] = 1.25
    """US dollars for a million input tokens."""
    price_out: Annotated[float, Field(ge=0)] = 10.0
    """US dollars for a million output tokens."""


class BudgetConfig(_Section):
    """What the models may cost; when it is reached, the evaluation pauses and says so."""

    usd: Annotated[float, Field(gt=0)] | None = None
    """US dollars, by the configured prices; not set: no limit."""
    tokens: Annotated[int, Field(gt=0)] | None = None
    """Input and output tokens together; not set: no limit."""
    counts: Literal["outside", "all"] = "outside"
    """What is counted: the models of other people's servers, which are paid for, or those of the fleet as well."""


class EvalJobConfig(_Section):
    """The job in which the evaluation runs, if it does not run on the login node: a small one, without GPUs."""

    partition: Line = ""
    """Empty: that of the fleet."""
    time: SlurmTime = "24:00:00"
    """Time limit, as `sbatch --time` takes it."""
    cpus: Annotated[int, Field(ge=1)] = 4
    """Cores (`--cpus-per-task`)."""
    mem: Line = "8G"
    """Memory, as `sbatch --mem` takes it."""
    extra: tuple[SlurmOption, ...] = ()
    """More options, one string each."""


Split = Literal["base", "train", "test", "small", "full"]


class EvaluationConfig(_Section):
    """What is evaluated, and how hard the fleet is driven."""

    domains: tuple[Domain, ...] = ("retail", "telecom", "airline")
    """tau2's domains; mock is its practice domain."""
    split: Split = "base"
    """tau2's split of each domain's tasks; base is what results are compared on (114, 114 and 50 tasks)."""
    tasks: dict[Domain, tuple[str, ...]] = {}
    """Task ids by domain; a domain that is not named runs its whole split."""
    num_tasks: Annotated[int, Field(ge=1)] | None = None
    """At most so many tasks of each domain."""
    trials: Annotated[int, Field(ge=1)] = 1
    """Times that each task is run."""
    seed: int = 300
    """From which the seeds of the trials are drawn, as tau2 does."""
    schedule: Literal["per-domain", "global"] = "per-domain"
    """One domain after the other, as the seed did, or the tasks of all mixed, which leaves no replica idle between."""
    max_concurrency: Annotated[int, Field(ge=1, le=512)] = 10
    """Most conversations at once, over all domains."""
    evaluator_processes: Annotated[int, Field(ge=0, le=64)] | None = None
    """Processes that evaluate finished conversations; not set: one for every two cores, at most 4; 0: in the driver."""
    max_steps: Annotated[int, Field(ge=1)] = 200
    """tau2's: a conversation with more steps ends as a failure of the models."""
    max_errors: Annotated[int, Field(ge=1)] = 10
    """tau2's: so many failed tool calls end a conversation in the same way."""
    mode: Annotated[str, Field(pattern=r"^(experts|solo|always:[A-Za-z0-9_.-]+)$")] = "experts"
    """`experts`: the agent may call them; `solo`: it may not; `always:NAME`: that expert answers every turn."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Of the agent and the experts."""
    max_tokens: Annotated[int, Field(ge=1)] = 8000
    """Most tokens of one answer."""
    context_tokens: Annotated[int, Field(ge=1000)] = 23000
    """Budget of a conversation; older whole turns are left out beyond it."""
    call_timeout_s: Seconds = 600
    """For one model call with all its attempts."""
    max_attempts: Annotated[int, Field(ge=1)] = 5
    """Attempts at one model call, the first with them."""
    unit_timeout_s: Seconds = 7200
    """For one simulation as a whole; one that takes longer is given up, and run again by the next start."""
    stall_s: Seconds = 300
    """A simulation in which nothing happened for so long is named as stalled."""
    stream: bool = True
    """Stream answers, so that prefill (time to first token) and decode are measured."""
    where: Literal["login", "job"] = "login"
    """Where the driver runs: on the login node, or as a job of its own."""
    job: EvalJobConfig = EvalJobConfig()
    budget: BudgetConfig = BudgetConfig()
    log_level: Literal["DEBUG", "PROFILE"] = "PROFILE"
    """`DEBUG` also writes every request and every answer into the domain's log; the smoke test always does."""
    smoke: Literal["full", "always", "never"] = "full"
    """Which evaluations begin with a smoke test: those of a whole domain, all, or none. One that was passed by the same
    fleet and settings is not repeated in a run."""
    smoke_tasks: Annotated[int, Field(ge=1)] = 2
    """Tasks of each domain, and of the practice domain, in a smoke test."""
    smoke_timeout_s: Seconds = 1800
    """For a smoke test as a whole."""
    user: UserConfig = UserConfig()


class SlaConfig(_Section):
    """What counts as fast enough."""

    threshold_ms: Annotated[float, Field(gt=0)] = defaults.SLA_MS
    """A call is within the SLA if it took less."""


class PriceConfig(_Section):
    """What a model of other people's logs costs."""

    price_in: Annotated[float, Field(ge=0)] = 0.0
    """US dollars for a million input tokens."""
    price_out: Annotated[float, Field(ge=0)] = 0.0
    """US dollars for a million output tokens."""


class PricesConfig(_Section):
    """What reports and comparisons charge."""

    gpu_hour: Annotated[float, Field(ge=0)] = 0.0
    """US dollars for an hour of one GPU; 0: GPU-hours are shown, and no money."""
    models: dict[Line, PriceConfig] = {}
    """By the model's name in the logs; experts and user simulator have their own price_in and price_out."""


LogKind = Literal["server", "job", "evaluation"]
LOG_KINDS: tuple[LogKind, ...] = get_args(LogKind)
PLACEHOLDERS = frozenset(
    (
        *("replica", "expert", "job", "node"),
        *("gpu_memory_utilization", "max_model_len", "max_num_seqs", "tensor_parallel_size"),
        *("fitting_utilization", "lower_utilization", "raised_utilization", "lower_seqs", "fitting_parallel"),
    )
)
"""What cause, remedy and action of a signature may name in braces besides the groups of its own patterns:
where the log belongs, what the server said of its arguments, and what `core.diagnosis` computes from the figures."""

_BRACED = re.compile(r"\{(\w+)\}")
_ANY_REPEATED = re.compile(r"(?<!\\)\.(?:[*+]|\{\d*,\})")
_REPEAT_IN_REPEAT = re.compile(r"\([^()]*[*+{|?][^()]*\)(?:[*+]|\{\d*,\})")


def _safe_pattern(pattern: str) -> str:
    """A regular expression that compiles, and whose time cannot explode on a line of a few KiB."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    plain = re.sub(r"\[[^\]]*\]", "x", re.sub(r"\\[^.]", "x", pattern)).replace("(?", "(")
    if _REPEAT_IN_REPEAT.search(re.sub(r"\((?::|P<\w+>|[=!]|<[=!])", "(", plain)):
        raise ValueError(f"{pattern!r} repeats a group that has choices or repeats in it: that can take for ever")
    if len(_ANY_REPEATED.findall(pattern)) > 1:
        raise ValueError(f"{pattern!r} has more than one '.*': write '.{{0,200}}', which ends")
    return pattern


class SignatureConfig(_Section):
    """One thing that goes wrong, how a line of a log shows it, why it happens and what to do about it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    """Its name in findings, and for `ignore`."""
    row: Annotated[int, Field(ge=0)] = 0
    """Its number in the survey that the table was made from; 0: it has none."""
    contains: tuple[Annotated[Line, Field(min_length=4)], ...] = ()
    """Texts; a line that holds one of them shows it."""
    matches: tuple[Annotated[Line, AfterValidator(_safe_pattern)], ...] = ()
    """Regular expressions, searched in a line without colours and prefixes; named groups fill in `{name}`."""
    core: tuple[Annotated[Line, Field(min_length=3)], ...] = ()
    """Texts of which every line that `matches` finds holds one: looked for first, which is what makes it fast."""
    unless: tuple[Line, ...] = ()
    """A line that holds one of these is not meant."""
    cause: Annotated[Line, Field(min_length=1)]
    """Why it happens, in a sentence without its full stop."""
    remedy: Annotated[Line, Field(min_length=1)]
    """What to do, in a sentence without its full stop."""
    act: Literal["change", "restart", "move", "wait", "retry", "ask"]
    """What kind of help it needs: a setting, another start, another node, time, another request, a person."""
    action: tuple[Line, ...] | Line
    """The command to offer, one argument each; or words, such as "wait", where there is none."""
    otherwise: tuple[Line, ...] | Line = ()
    """The same if a figure that `action` needs is not known."""
    source: Annotated[tuple[Line, ...], Field(min_length=1)]
    """Where this is known from."""
    applies: tuple[LogKind, ...] = LOG_KINDS
    """The logs that can show it: of a server, SLURM's output of a job, or of the evaluation."""
    wrapper: bool = False
    """It only says that something failed: the cause stands in a line above."""
    alone: bool = True
    """False for a wrapper that is no news if nothing stands above it."""
    fatal: bool = False
    """It ends the server or the job."""
    info: bool = False
    """It is looked for in lines that were logged as information, too."""
    once_ready: bool = False
    """Not before the server was ready: it is usual while one starts."""
    at_least: Annotated[int, Field(ge=1)] = 1
    """So many lines of it must be there."""
    covers: tuple[Line, ...] = ()
    """Ids of what only follows from it and is not named beside it."""

    @model_validator(mode="after")
    def _holds_together(self) -> SignatureConfig:
        if not self.contains and not self.matches:
            raise ValueError(f"{self.id}: neither contains nor matches says what to look for")
        groups = {name for pattern in self.matches for name in re.compile(pattern).groupindex}
        actions = [(each,) if isinstance(each, str) else each for each in (self.action, self.otherwise)]
        for text in (self.cause, self.remedy, *actions[0], *actions[1]):
            for name in _BRACED.findall(text):
                if name not in groups | PLACEHOLDERS:
                    raise ValueError(f"{self.id}: {{{name}}} is neither a group of its patterns nor known")
        return self


class DiagnosisConfig(_Section):
    """What is looked for in logs besides what comes with the program."""

    signature: tuple[SignatureConfig, ...] = ()
    """More of them; one with the id of one that comes with the program takes its place."""
    ignore: tuple[Line, ...] = ()
    """Ids of what is not looked for."""

    @field_validator("signature")
    @classmethod
    def _ids_differ(cls, signatures: tuple[SignatureConfig, ...]) -> tuple[SignatureConfig, ...]:
        ids = [signature.id for signature in signatures]
        for twice in sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"two signatures have the id {twice!r}")
        return signatures


class PollConfig(_Section):
    """How often each source is asked, in seconds; a slow answer never makes them overlap."""

    jobs_s: Annotated[float, Field(ge=15)] = 15.0
    """squeue: at most four calls a minute."""
    run_s: Annotated[float, Field(ge=0.5)] = 2.0
    """The run directory: one command for all replicas and the evaluation."""
    metrics_s: Annotated[float, Field(ge=1)] = 10.0
    """Each server's /metrics, by the node agent: whether anybody looks or not."""
    completion_s: Annotated[float, Field(ge=0)] = 600.0
    """A completion of a few tokens, by the node agent, of a server that was idle for about so long; 0: never."""
    logs_s: Annotated[float, Field(ge=0.5)] = 3.0
    """The evaluation's logs, for latencies; only while they are looked at."""


class VerdictsConfig(_Section):
    """When a server that answers is called degraded, and what is said of its load."""

    stuck_s: Seconds = 60.0
    """Degraded: requests run, and for so long no token came."""
    wedged_s: Seconds = 60.0
    """Degraded: requests wait, they do not become fewer, and for so long none has run."""
    failing_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Degraded: so large a share of the last minute's requests was answered with 5xx …"""
    failing_least: Annotated[int, Field(ge=1)] = 5
    """… and at least so many."""
    saturated_s: Seconds = 60.0
    """Saturated: some request has waited all this time."""
    kv_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """KV-bound: so much of the KV cache is in use, and requests wait or are preempted."""
    imbalance: Annotated[float, Field(gt=1)] = 2.0
    """Imbalanced: so many times the median of the other replicas of its model, or that many times less …"""
    imbalance_least: Annotated[int, Field(ge=1)] = 4
    """… and at least so many requests away from it."""
    drift: Annotated[float, Field(gt=1)] = 2.0
    """Drifting: so many times the usual time between two tokens."""
    restarted_s: Seconds = 300.0
    """For so long a restart is mentioned."""

    @property
    def agents_own(self) -> dict[str, float]:
        """What the node agents need to know."""
        return self.model_dump(include={"stuck_s", "wedged_s", "failing_share", "failing_least"})


class ScreenConfig(_Section):
    """How the full-screen app looks."""

    theme: Literal["dark", "light", "high-contrast", "colour-blind", "mono"] = "dark"
    """NO_COLOR in the environment means mono."""
    ascii: bool = False
    """Draw with ASCII alone."""
    reader: bool = False
    """For screen readers: one pane of plain lines in ASCII, without strips, frames and bars beside it."""


class NoticesConfig(_Section):
    """How the full-screen app tells what happened; the inbox (I) has all of it."""

    bell: bool = True
    """Ring the terminal's bell for what is bad."""
    tmux: bool = True
    """In tmux: a message for what is bad, and the state of the fleet as the name of the window."""
    webhook_env: Annotated[str, AfterValidator(_one_line), Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$|^$")] = ""
    """The environment variable that holds the URL to which notices are posted as JSON; the URL itself is a secret."""
    quiet: tuple[Line, ...] = ()
    """Kinds that only the inbox shows, such as "degraded"."""


class RehearsalConfig(_Section):
    """How the practice servers behave."""

    speed: Annotated[float, Field(gt=0)] = 20.0
    """Published latencies are divided by this."""
    start_s: Annotated[float, Field(ge=0)] = 2.0
    """Seconds from start to ready."""
    seed: int = 0
    """Of the latencies that are drawn."""


class Config(_Section):
    """The whole of config.toml."""

    run: RunConfig = RunConfig()
    cluster: ClusterConfig = ClusterConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    slurm: SlurmConfig = SlurmConfig()
    serve: ServeConfig = ServeConfig()
    placement: PlacementConfig = PlacementConfig()
    experts: dict[Name, ExpertConfig]
    evaluation: EvaluationConfig = EvaluationConfig()
    sla: SlaConfig = SlaConfig()
    prices: PricesConfig = PricesConfig()
    error_patterns: dict[Name, str] = dict(defaults.ERROR_PATTERNS)
    """Name → regular expression: the class of an error whose line matches, or what became of an attempt."""
    diagnosis: DiagnosisConfig = DiagnosisConfig()
    poll: PollConfig = PollConfig()
    verdicts: VerdictsConfig = VerdictsConfig()
    screen: ScreenConfig = ScreenConfig()
    notices: NoticesConfig = NoticesConfig()
    keys: dict[Annotated[str, Field(pattern=r"^[a-z-]+\.[a-z-]+$")], Line] = {}
    """Keys of acts by their id, see docs/keys.md."""
    rehearsal: RehearsalConfig = RehearsalConfig()

    @field_validator("error_patterns")
    @classmethod
    def _patterns_compile(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", FutureWarning)  # what Python may do some day concerns nobody here
                    re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{name}: not a regular expression: {error}") from None
        return patterns

    @model_validator(mode="after")
    def _fleet_fits(self) -> Config:
        for clash in self._clashes():
            raise ValueError(clash)
        if self.cluster.scheduler == "local" and self.cluster.login:
            raise ValueError('scheduler = "local" runs on this machine: login must be empty')
        always = self.evaluation.mode.removeprefix("always:")
        if always != self.evaluation.mode and always not in self.experts:
            raise ValueError(f"evaluation.mode names the expert {always!r}, which is not configured")
        return self

    def _clashes(self) -> Iterator[str]:
        """Two experts on one GPU or one port of one node, a GPU the node does not have, not exactly one agent."""
        agents = [name for name, expert in self.experts.items() if expert.role == "agent"]
        if len(agents) != 1:
            yield f'experts: exactly one must have role = "agent", found {", ".join(agents) or "none"}'
        if sum(expert.role == "user" for expert in self.experts.values()) > 1:
            yield 'experts: at most one may have role = "user"'
        # On one machine all "nodes" share the ports, not the GPUs: there are none to hand out.
        one_host = self.cluster.scheduler == "local"
        taken: dict[tuple[str, int, int], str] = {}
        for name, expert in self.experts.items():
            limit = self.slurm.gpus_per_node
            if limit and max(expert.gpus, default=0) >= limit:
                yield f"experts.{name}.gpus: GPU {max(expert.gpus)} is beyond slurm.gpus_per_node = {limit}"
            for node in expert.nodes:
                claims = [("GPU", node, gpu) for gpu in expert.gpus]
                claims += [("port", 0 if one_host else node, port) for port in expert.ports]
                for claim in claims:
                    owner = taken.setdefault(claim, name)
                    if owner != name:
                        kind, _, number = claim
                        yield f"experts.{name}: {kind} {number} on node {node} is already used by {owner}"

    def at_home(self, home: str) -> Config:
        """The same, with the leading `~` of every path replaced by a home directory on the cluster."""
        return Config.model_validate(self.model_dump(), context=_Home(home))

    @property
    def agent(self) -> str:
        """Name of the expert that plays the agent."""
        return next(name for name, expert in self.experts.items() if expert.role == "agent")

    @property
    def user(self) -> str:
        """Name of the expert that plays the user simulator, or an empty string if that is an outside model."""
        return next((name for name, expert in self.experts.items() if expert.role == "user"), "")


def load(path: Path = defaults.CONFIG_FILE, environ: Mapping[str, str] | None = None) -> Config:
    """Read and check a config file. Raises ConfigError with one line that names the file, the key and a remedy."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", "make one with `tau2tui init`, or name one with --config") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    return parse(raw, str(path), os.environ if environ is None else environ)


def parse(raw: bytes, where: str, environ: Mapping[str, str]) -> Config:
    """Check the bytes of a config file; `where` names it in errors."""
    try:
        data = tomli.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:  # also of numbers too long, and tables too deep, to be read
        raise ConfigError(f"{where}: not TOML: {error}") from None
    return validate(data, where, environ)


def load_submitted(path: Path) -> Config:
    """Read the `run.toml` of a run: a config as it was submitted, its paths expanded then and not again."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: not readable as the configuration of a run: {error.strerror}") from None
    return parse_submitted(raw, str(path))


def parse_submitted(raw: bytes, where: str) -> Config:
    """Check the bytes of a `run.toml`; `where` names it in errors. Raises ConfigError."""
    try:
        return submitted(tomli.loads(raw.decode()), where)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not readable as the configuration of a run: {error}") from None


def submitted(data: Mapping[str, Any], where: str) -> Config:
    """The config in the tables of a `run.toml`, without the table that says who submitted it."""
    return validate({key: value for key, value in data.items() if key != "submitted"}, where, None)


def validate(data: Mapping[str, Any], where: str, environ: Mapping[str, str] | None) -> Config:
    """Check the tables of a config; `where` names their origin in errors. Without `environ` nothing is expanded."""
    try:
        return Config.model_validate(data, context=environ)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        location = first["loc"]
        key = ".".join(str(part) for part in location) or "config"
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{where}: unknown key {key}", _nearest(location)) from None
        if first["type"] == "missing":
            raise ConfigError(f"{where}: {key} is missing") from None
        message = str(first["msg"]).removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        raise ConfigError(f"{where}: {message}" if key == "config" else f"{where}: {key}: {message}") from None


def _nearest(location: tuple[int | str, ...]) -> str:
    """The known key that looks most like the last part of an unknown one, as a hint."""
    known = _known_keys(Config, location[:-1])
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}"


def _known_keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys of the table that `path` leads to."""
    if not path:
        return list(model.model_fields)
    field = model.model_fields.get(str(path[0]))
    if field is None:
        return []
    inner, rest = field.annotation, path[1:]
    if arguments := get_args(
        inner
    ):  # dict[Name, ExpertConfig]: the next part is the entry's name, in a list its number
        inner, rest = [each for each in arguments if each is not Ellipsis][-1], rest[1:]
    return _known_keys(inner, rest) if isinstance(inner, type) and issubclass(inner, BaseModel) else []
