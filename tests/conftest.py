"""Fixtures that several packages of tests share, and how hypothesis tries things."""

from hypothesis import settings

from tests.lab.fixtures import accounting_lab, idle_lab, lab, lab_without_node_logins, tau2tui

__all__ = ["accounting_lab", "idle_lab", "lab", "lab_without_node_logins", "tau2tui"]

# A machine that is shared is slow at times: how long an example takes says nothing.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")
