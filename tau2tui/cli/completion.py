"""The word `completion`: what a shell needs to complete words and options."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from tau2tui.cli.session import put

_SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(tuple(_SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete words and options.

    \b
    bash:  echo 'eval "$(tau2tui completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(tau2tui completion zsh)"' >> ~/.zshrc     after compinit
    fish:  tau2tui completion fish > ~/.config/fish/completions/tau2tui.fish
    """
    words = ctx.find_root().command
    # Not `source()`: it runs bash to see its version, and this may be written on another machine than it is used on.
    maker = _SHELLS[shell](words, {}, "tau2tui", "_TAU2TUI_COMPLETE")
    put(maker.source_template % maker.source_vars())
