"""`teamtask completion`: the script that teaches a shell to complete commands, flags and names of lists."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from teamtask.cli.output import say_data

PROGRAM, VARIABLE = "teamtask", "_TEAMTASK_COMPLETE"


@click.command(short_help="Print the script for a shell's completion.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, /, *, shell: str) -> None:
    """Print the script with which a shell completes commands, flags and the names of lists.

    \b
    Examples:
      eval "$(teamtask completion bash)"                                      # in ~/.bashrc
      eval "$(teamtask completion zsh)"                                       # in ~/.zshrc
      teamtask completion fish > ~/.config/fish/completions/teamtask.fish
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    kind = get_completion_class(shell)
    assert kind is not None, "click knows these shells"
    say_data(kind(ctx.find_root().command, {}, PROGRAM, VARIABLE).source() + "\n")
