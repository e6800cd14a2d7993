"""What an evaluation has to run: its domains, their tasks, and the units they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tau2.user.user_simulator import get_global_user_sim_guidelines

from tau2tui.config import EvaluationConfig
from tau2tui.evaluation.participants import Cast
from tau2tui.evaluation.results import run_info
from tau2tui.evaluation.simulation import Domain, load_domain
from tau2tui.evaluation.units import Unit, all_units, chosen_tasks


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything that is to be run, in the order in which it starts."""

    domains: dict[str, Domain]
    tasks: dict[str, list[str]]
    """Ids by domain."""
    units: list[Unit]

    @property
    def totals(self) -> dict[str, int]:
        """Number of units by domain."""
        return {name: sum(unit.domain == name for unit in self.units) for name in self.domains}

    def description(self, domain: str, cast: Cast, evaluation: EvaluationConfig) -> tuple[Any, list[Any]]:
        """The `info` and `tasks` of tau2's results file for a domain, as JSON."""
        chosen = self.domains[domain]
        agent = {
            "implementation": f"tau2tui ({evaluation.mode})",
            "llm": cast.agent.model,
            "llm_args": {
                "temperature": evaluation.temperature,
                "max_tokens": evaluation.max_tokens,
                "context_tokens": evaluation.context_tokens,
                "experts": {expert.name: expert.model for expert in (*cast.experts, cast.always) if expert},
            },
        }
        user = {
            "implementation": "tau2tui",
            "llm": cast.user.model,
            "llm_args": {},
            "global_simulation_guidelines": get_global_user_sim_guidelines(use_tools=chosen.user_tools is not None),
        }
        tasks = [chosen.tasks[task_id].model_dump(mode="json") for task_id in self.tasks[domain]]
        return run_info(evaluation, chosen.info, agent, user), tasks


def load_workload(evaluation: EvaluationConfig) -> Workload:
    """Load the domains; takes a few seconds. Raises ConfigError for a task or a split that does not exist, and
    for a base split that is not the one of the published runs.
    """
    domains: dict[str, Domain] = {
        name: load_domain(name, evaluation.split) for name in dict.fromkeys(evaluation.domains)
    }
    tasks = {name: chosen_tasks(name, list(domain.tasks), evaluation) for name, domain in domains.items()}
    return Workload(domains, tasks, all_units(tasks, evaluation))
