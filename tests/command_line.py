"""The command `tau2tui` as a user runs it: in a process of its own, with its exit code and its two streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`tau2tui` in a directory, with the config file there or another; talks to no terminal."""

    config: Path
    directory: Path
    timeout_s: float = 300

    def run(self, *words: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run one word and check how it ended; None takes any end."""
        completed = subprocess.run(
            [sys.executable, "-m", "tau2tui", *self._named_config(), *words],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.timeout_s,
            check=False,
        )
        if status is not None:
            assert completed.returncode == status, (
                f"{words}: {completed.returncode}\n{completed.stdout}{completed.stderr}"
            )
        return completed

    def _named_config(self) -> tuple[str, ...]:
        """A config.toml in the directory is found by itself."""
        return () if self.config == self.directory / "config.toml" else ("--config", str(self.config))

    def change(self, **sections: dict[str, Any]) -> None:
        """Change settings of some sections of the config file."""
        config: dict[str, Any] = tomlkit.parse(self.config.read_text()).unwrap()
        for section, settings in sections.items():
            config[section] = {**config.get(section, {}), **settings}
        self.config.write_text(tomlkit.dumps(config))

    def status(self) -> dict[str, Any]:
        """`tau2tui status --json`."""
        status: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return status
