"""SLURM's reasons for a job that waits or has ended, in words, with what to do about it."""

from __future__ import annotations

_REASONS = {
    "Resources": "waits for free nodes",
    "Priority": "waits behind jobs of higher priority",
    "Dependency": "waits for an earlier job of the same name to end; stop that one, or set slurm.singleton = false",
    "DependencyNeverSatisfied": "waits for a job that can never end well: cancel it and launch again",
    "BeginTime": "may not start before a set time, as after a requeue; `scontrol update` can change it",
    "JobHeldUser": "held by its user: `scontrol release` it",
    "JobHeldAdmin": "held by an administrator: ask them",
    "ReqNodeNotAvail": "a node that it asks for is down, drained or reserved: see slurm.nodelist and constraint",
    "Nodes required for job are DOWN": "nodes that it needs are down, drained or reserved: see sinfo -R",
    "Reservation": "waits for its reservation to begin",
    "PartitionTimeLimit": "asks for more time than the partition allows: lower slurm.time",
    "PartitionNodeLimit": "asks for more nodes than the partition allows",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition is inactive",
    "QOSMaxJobsPerUserLimit": "your jobs at a time are used up in this QOS",
    "QOSMaxGRESPerUser": "your GPUs at a time are used up in this QOS",
    "QOSGrpGRES": "the GPUs of this QOS are used up",
    "QOSMaxWallDurationPerJobLimit": "asks for more time than the QOS allows: lower slurm.time",
    "AssocGrpGRES": "the GPUs of your account are used up",
    "AssocGrpGRESMinutes": "the GPU hours of your account are used up",
    "AssocMaxJobsLimit": "your jobs at a time are used up in this account",
    "InvalidAccount": "the account is not valid: set slurm.account",
    "InvalidQOS": "the QOS is not valid: set slurm.qos",
    "BadConstraints": "no node can ever satisfy it: change slurm.constraint",
    "NodeDown": "its node went down",
    "TimeLimit": "reached its time limit",
    "OutOfMemory": "used more memory than it asked for: raise slurm.mem",
    "RaisedSignal:53(Real-time_signal_19)": "was signalled from outside",
    "launch failed requeued held": "could not be started on its node and is held: `scontrol release` it",
}


def explain(reason: str) -> str:
    """A reason in words; one that is not known stays as SLURM says it."""
    for known, words in _REASONS.items():
        if reason == known or reason.startswith((f"{known},", f"{known}(", f"{known} ")):
            rest = reason.removeprefix(known).strip(" ,()")
            return f"{words} ({rest})" if rest else words
    return reason
