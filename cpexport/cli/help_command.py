"""The command `help`: the screens of the program and its commands."""

import click

from cpexport.cli import screens
from cpexport.cli.screens import PROGRAM, Command, Commands, Example
from cpexport.outcome import DONE


def screen(program: Commands, name: str | None = None) -> str:
    """Returns the help screen of a command, or of the program, as `--help` prints it.

    Raises:
        click.UsageError: there is no such command.
    """
    whole = program.make_context(PROGRAM, [], resilient_parsing=True)
    if name is None:
        return whole.get_help()
    command = program.get_command(whole, name)
    if command is None:
        raise click.UsageError(program.unknown(name), whole)
    return click.Context(command, parent=whole, info_name=name).get_help()


def _names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    commands = context.find_root().command
    assert isinstance(commands, Commands)
    return [name for name in commands.commands if name.startswith(incomplete)]


@click.command(
    cls=Command,
    section=screens.ABOUT,
    examples=(
        Example("List the commands", "cpexport help"),
        Example("What load does, and its options", "cpexport help load"),
    ),
)
@click.argument("name", metavar="[COMMAND]", required=False, shell_complete=_names)
@click.pass_context
def help(context: click.Context, name: str | None) -> int:
    """Show the help screen of a command."""
    program = context.find_root().command
    assert isinstance(program, Commands)
    click.echo(screen(program, name))
    return DONE
