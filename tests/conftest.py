"""Fixtures that several packages of tests share."""

from tests.lab.fixtures import accounting_lab, idle_lab, lab

__all__ = ["accounting_lab", "idle_lab", "lab"]
