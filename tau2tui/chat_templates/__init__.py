"""Chat templates of our own, for models whose own template does not fit the tool-call parser they are served with.

A configuration names one as `chat_template = "builtin:NAME"`; it is copied into the run.
"""

from __future__ import annotations

import functools
from importlib import resources

from tau2tui.core.layout import BUILTIN_TEMPLATE
from tau2tui.errors import ConfigError

_SUFFIX = ".jinja"


@functools.cache
def builtin_names() -> tuple[str, ...]:
    """The names of our templates."""
    names = (file.name for file in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


@functools.cache
def template_text(name: str) -> str:
    """The text of one of our templates, by its name with or without `builtin:`. Raises ConfigError."""
    name = name.removeprefix(BUILTIN_TEMPLATE)
    if name not in builtin_names():
        known = ", ".join(BUILTIN_TEMPLATE + known for known in builtin_names())
        raise ConfigError(f"there is no chat template {BUILTIN_TEMPLATE}{name}", f"there are {known}")
    return resources.files(__name__).joinpath(name + _SUFFIX).read_text(encoding="utf-8")
