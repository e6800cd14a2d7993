"""Command + what was seen → the steps that will be done, or a refusal before anything happens."""

from __future__ import annotations

from typing import assert_never

from tau2tui.core.command import (
    CleanGpus,
    Command,
    HandOver,
    Launch,
    Relaunch,
    RelaunchJob,
    StartEval,
    StartSmoke,
    SteerEval,
    Stop,
)
from tau2tui.core.plan import evaluation, fleet, stopping
from tau2tui.core.plan.situation import Plan, Scheduler, Situation

__all__ = ["Plan", "Scheduler", "Situation", "make_plan"]


def make_plan(command: Command, situation: Situation) -> Plan:
    """The steps for a command. Raises Refused, with what to do instead, before anything is changed."""
    match command:
        case Launch():
            return fleet.launch(command, situation)
        case Relaunch():
            return fleet.relaunch(command, situation)
        case RelaunchJob():
            return fleet.relaunch_job(command, situation)
        case HandOver():
            return fleet.hand_over(command, situation)
        case Stop():
            return stopping.stop(command, situation)
        case CleanGpus():
            return stopping.clean(command)
        case StartEval():
            return evaluation.start(command, situation)
        case StartSmoke():
            return evaluation.smoke(command, situation)
        case SteerEval():
            return evaluation.steer(command, situation)
        case _:
            assert_never(command)
