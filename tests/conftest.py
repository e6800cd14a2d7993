"""Fixtures that several packages of tests share."""

from tests.lab.fixtures import accounting_lab, idle_lab, lab, lab_without_node_logins, tau2tui

__all__ = ["accounting_lab", "idle_lab", "lab", "lab_without_node_logins", "tau2tui"]
