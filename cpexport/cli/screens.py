"""Lays out help screens: options in groups, defaults, examples; and corrects misspelled words.

`Command`, `Commands`, `option` and `Choice` are click's own with these additions. cloup has groups
of options too, but importing it takes 30 ms, as long as click and all of these screens together.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Any, Final, NamedTuple

import click
from click.types import OptionHelpExtra

from cpexport.spelling import closest, suggest

# The order of the groups on every screen.
SOURCE: Final = "Input"
DESTINATION: Final = "Destination"
TABLES: Final = "Tables"
WELLS: Final = "Wells"
SAME_NUMBER: Final = "Image sets with the same number"
SPLIT: Final = "Jobs"
JOBS: Final = "How jobs run"
LAST_JOB: Final = "The last job, which loads"
AGAIN: Final = "Run missing image sets again"
ANALYST: Final = "CellProfiler Analyst"
RESULT: Final = "Report and files"
PROCESS: Final = "How the command runs"
OTHER: Final = "Other options"
_ORDER: Final = (
    *(SOURCE, DESTINATION, TABLES, WELLS, SAME_NUMBER, SPLIT, JOBS, LAST_JOB, AGAIN, ANALYST),
    *(RESULT, PROCESS, OTHER),
)
_PLACE: Final = _ORDER.index

# The sections of the list of commands.
ON_CLUSTER: Final = "Run jobs on a cluster"
IN_DATABASE: Final = "Check and load outputs"
ABOUT: Final = "Help"
_ELSE: Final = "Other commands"

PROGRAM: Final = "cpexport"

# Characters between the names of options and their help, and at most before the help.
_GAP, _WIDEST = 2, 26


class Example(NamedTuple):
    """A command line, and what it does, in a few words."""

    what: str
    command: str


class Group(NamedTuple):
    """Options under one title, each with its names and metavar, and its help."""

    title: str
    records: Sequence[tuple[str, str]]


class Option(click.Option):
    """An option that belongs to a group, and says on its screen if it can be repeated."""

    def __init__(self, *names: Any, group: str = OTHER, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.group = group
        if self.multiple and self.help:
            self.help += " (repeatable)"

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        extra = super().get_help_extra(ctx)
        # click puts a default that is described in words in parentheses.
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        # A range without an end only says that a number is positive.
        if isinstance(self.type, Number) and self.type.most is not None:
            extra["range"] = f"{self.type.least} to {self.type.most}"
        return extra


class Number(click.ParamType[int | float]):
    """A number that is at least `least`, or above it, and at most `most`."""

    name = "number"

    def __init__(
        self,
        kind: type[int] | type[float],
        least: int,
        most: int | None = None,
        *,
        above: bool = False,
    ) -> None:
        self.least, self.most = least, most
        self._kind, self._above = kind, above

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        try:
            number = self._kind(value)
        except ValueError:
            whole = "whole " if self._kind is int else ""
            self.fail(f"{value!r} is not a {whole}number", param, ctx)
        fits = number > self.least if self._above else number >= self.least
        if not fits or (self.most is not None and number > self.most):
            self.fail(f"must be {self._range}, not {value}", param, ctx)
        return number

    @property
    def _range(self) -> str:
        if self._above:
            return f"above {self.least}"
        return f"{self.least} or more" if self.most is None else f"{self.least} to {self.most}"


OptionDecorator = Callable[[Any], Any]


def option(*names: str, group: str, **attributes: Any) -> OptionDecorator:
    """`click.option` in the group with this title. `show_default` may describe the default."""
    return click.option(*names, cls=Option, group=group, **attributes)


def all_of(*options: OptionDecorator) -> OptionDecorator:
    """Combines several options into one, in the order in which --help lists them."""
    return lambda command: reduce(lambda done, option: option(done), reversed(options), command)


class Choice(click.Choice[str]):
    """One of several words. The error for another word suggests one that is spelled alike."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            message = suggest(error.message, closest(str(value), self.choices))
            raise click.BadParameter(message, ctx, param) from None


class _Screen(click.Command):
    """What the screens of a command and of the whole program share."""

    def __init__(self, *words: Any, examples: Iterable[Example] = (), **attributes: Any) -> None:
        super().__init__(*words, **attributes)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            # Without the dashes, which make all options look alike.
            known = {
                name.lstrip("-"): name for param in self.get_params(ctx) for name in param.opts
            }
            close = closest(error.option_name.lstrip("-"), known)
            message = suggest(f"There is no option {error.option_name}", known.get(close or ""))
            raise click.UsageError(message, ctx) from None

    def groups(self, ctx: click.Context) -> Iterator[Group]:
        """The groups of this command's options, in the order of its screen."""
        records: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                records.setdefault(getattr(param, "group", OTHER), []).append(record)
        alone = "Options" if len(records) == 1 else None
        yield from (Group(alone or title, records[title]) for title in sorted(records, key=_PLACE))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups = list(self.groups(ctx))
        widths = [len(names) for group in groups for names, _ in group.records]
        width = max(width for width in widths if width <= _WIDEST)
        for title, records in groups:
            with formatter.section(title):
                # Padded, so that the help begins in the same column in all groups.
                padded = [(names.ljust(width), text) for names, text in records]
                formatter.write_dl(padded, width, _GAP)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for what, command in self.examples:
                    formatter.write_text(f"{what}:")
                    # Not wrapped, so that it can be copied.
                    for line in command.splitlines():
                        formatter.write(f"{'':{formatter.current_indent + 2}}{line}\n")
        super().format_epilog(ctx, formatter)


class Command(_Screen):
    """A command, with `examples` at the end of its screen; the program lists it in a `section`."""

    def __init__(self, *words: Any, section: str = _ELSE, **attributes: Any) -> None:
        super().__init__(*words, **attributes)
        self.section = section


class Commands(_Screen, click.Group):
    """The program: its screen lists the commands in sections, in the order they were added."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        # A shell that completes words parses what is not complete yet.
        if not (name in self.commands or name.startswith("-") or ctx.resilient_parsing):
            ctx.fail(self.unknown(name))
        return super().resolve_command(ctx, args)

    def unknown(self, name: str) -> str:
        """The error message for a name that is no command's."""
        return suggest(f"There is no command {name!r}", closest(name, self.commands))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        room = formatter.width - width - 2 * _GAP
        for title, commands in self.sections().items():
            with formatter.section(title):
                records = [
                    (n.ljust(width), c.get_short_help_str(room)) for n, c in commands.items()
                ]
                formatter.write_dl(records, width, _GAP)

    def sections(self) -> dict[str, dict[str, Command]]:
        """The commands by section and name."""
        sections: dict[str, dict[str, Command]] = {}
        for name, command in self.commands.items():
            assert isinstance(command, Command)
            sections.setdefault(command.section, {})[name] = command
        return sections
