"""Who takes part in a conversation: the agent, the experts and the user simulator, as the configuration names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tau2tui.config import Config, EvaluationConfig, Role
from tau2tui.errors import ConfigError
from tau2tui.evaluation.answer import Answer

ORCHESTRATOR = "orchestrator"
USER = "user"

FLEET_KEY_VARIABLE = "VLLM_API_KEY"
NO_KEY = "EMPTY"
"""What vLLM's own examples send to a server that wants no key."""


@dataclass(frozen=True, slots=True)
class Participant:
    """One model in its role."""

    name: str
    """Its name in the configuration, by which its replicas are found."""
    role: Role
    model: str
    """The served name, which requests carry."""
    fleet: bool = True
    """Served by replicas of this run, rather than by someone else's server."""
    thinking: bool = True
    thinking_switch: str = "suffix"
    """How it is told not to think: suffix or template."""
    strengths: str = ""
    latency_s: float | None = None
    """How long it usually takes, as configured or measured; None: not known."""
    price_in: float = 0.0
    """US dollars for a million input tokens."""
    price_out: float = 0.0

    @property
    def series(self) -> str:
        """The name under which its calls are counted and measured: the agent's and the user's do not vary."""
        return {"agent": ORCHESTRATOR, "user": USER}.get(self.role, self.name)

    def cost(self, answer: Answer) -> float | None:
        """US dollars for this answer; None if the server did not count the tokens."""
        if answer.input_tokens is None or answer.output_tokens is None:
            return None
        return (answer.input_tokens * self.price_in + answer.output_tokens * self.price_out) / 1e6


@dataclass(frozen=True, slots=True)
class Cast:
    """Everyone in the conversations of one run."""

    agent: Participant
    experts: tuple[Participant, ...]
    user: Participant
    always: Participant | None = None
    """The expert that answers every turn, if the mode says so."""


def cast_of(config: Config, evaluation: EvaluationConfig) -> Cast:
    """Who plays whom. Raises ConfigError if the mode names an expert that does not exist."""
    fleet = {
        name: Participant(
            name=name,
            role=expert.role,
            model=expert.model,
            thinking=expert.thinking,
            thinking_switch=expert.thinking_switch,
            latency_s=expert.latency_s,
            strengths=expert.strengths,
            price_in=expert.price_in,
            price_out=expert.price_out,
        )
        for name, expert in config.experts.items()
    }
    outside = evaluation.user
    user = fleet.get(config.user) or Participant(
        name=USER,
        role="user",
        model=outside.model,
        fleet=False,
        price_in=outside.price_in,
        price_out=outside.price_out,
    )
    experts = {name: participant for name, participant in fleet.items() if participant.role == "expert"}
    always = evaluation.mode.removeprefix("always:")
    if always != evaluation.mode and always not in experts:
        raise ConfigError(f"evaluation.mode names {always!r}, which is no expert", f"known: {', '.join(experts)}")
    return Cast(
        agent=fleet[config.agent],
        experts=tuple(experts.values()) if evaluation.mode == "experts" else (),
        user=user,
        always=experts.get(always),
    )


def api_keys(cast: Cast, evaluation: EvaluationConfig, environ: Mapping[str, str]) -> tuple[str, str]:
    """The keys of our fleet and of the outside model. Raises ConfigError if one that is needed is not set."""
    fleet_key = environ.get(FLEET_KEY_VARIABLE) or NO_KEY
    if cast.user.fleet:
        return fleet_key, NO_KEY
    variable = evaluation.user.api_key_env
    outside_key = environ.get(variable)
    if not outside_key:
        raise ConfigError(
            f"the environment variable {variable} is not set: the user simulator {cast.user.model} needs its key",
            f"set it, to {NO_KEY} for a server without keys",
        )
    return fleet_key, outside_key
