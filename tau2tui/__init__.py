"""Operate tau2-bench evaluations of an orchestrator with vLLM experts on SLURM, from one terminal."""

__version__ = "0.1.0"
