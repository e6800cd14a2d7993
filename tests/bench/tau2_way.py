"""The baseline of `bench harness`: tau2's own runner, a thread for each simulation and litellm for each call.

`python -m tests.bench.tau2_way URL DOMAIN TASKS TRIALS AT_ONCE` prints "started", then its result as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import tau2tui.evaluation  # noqa: F401 - keeps tau2's import off the network, as ours does


def main() -> None:
    """Run tasks as `tau2 run` does."""
    from tau2.run import get_tasks, run_tasks

    agent_url, user_url, domain, tasks, trials, at_once, results = sys.argv[1:]
    chosen = get_tasks(domain, task_split_name="base", num_tasks=int(tasks))
    print("started", flush=True)
    began = time.perf_counter()
    run = run_tasks(
        domain=domain,
        tasks=chosen,
        agent="llm_agent",
        user="user_simulator",
        llm_agent="openai/agent",
        llm_args_agent={"api_base": agent_url, "api_key": "EMPTY", "temperature": 1.0},
        llm_user="openai/user",
        llm_args_user={"api_base": user_url, "api_key": "EMPTY"},
        num_trials=int(trials),
        max_steps=200,
        max_concurrency=int(at_once),
        console_display=False,
        save_to=Path(results),
        log_level="ERROR",
    )
    took_s = time.perf_counter() - began
    rewards = [simulation.reward_info.reward for simulation in run.simulations]
    messages = sum(len(simulation.messages) for simulation in run.simulations)
    print(json.dumps({"took_s": took_s, "rewards": rewards, "messages": messages}), flush=True)


if __name__ == "__main__":
    main()
