"""The command `completion`: a script with which a shell completes commands, options and values."""

from typing import Final

import click

from cpexport.cli import screens
from cpexport.cli.screens import PROGRAM, Choice, Command, Example
from cpexport.outcome import DONE

# click's function lets bash write a space after `sqlite:///`, where the name of a file goes on.
_NO_SPACE: Final = """
_cpexport_without_space() {
    _cpexport_completion "$@"
    case "${COMPREPLY[0]}" in *[:/]) compopt -o nospace ;; esac
}
complete -o nosort -F _cpexport_without_space cpexport
"""


@click.command(
    cls=Command,
    section=screens.ABOUT,
    examples=(
        Example("Try it in the bash or zsh that you use now", 'eval "$(cpexport completion bash)"'),
        Example(
            "Install it for bash",
            "mkdir -p ~/.local/share/bash-completion/completions\n"
            "cpexport completion bash \\\n  > ~/.local/share/bash-completion/completions/cpexport",
        ),
    ),
)
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]), metavar="SHELL")
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the script that completes words with Tab in a shell.

    SHELL is bash, zsh or fish. Save the script where the shell looks for it, and open a new shell:

    \b
    bash  ~/.local/share/bash-completion/completions/cpexport
    zsh   ~/.zfunc/_cpexport
    fish  ~/.config/fish/completions/cpexport.fish

    bash needs the package bash-completion, and zsh a line "fpath+=~/.zfunc" above compinit in
    ~/.zshrc. Without them, put the first example into ~/.bashrc or ~/.zshrc.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    variable = f"_{PROGRAM.upper()}_COMPLETE"
    script = made(context.find_root().command, {}, PROGRAM, variable).source()
    click.echo(script + (_NO_SPACE if shell == "bash" else ""), nl=False)
    return DONE
