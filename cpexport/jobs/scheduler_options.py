"""The user's options for schedulers, and the limits of the last job."""

import re
import shlex

from cpexport.jobs.settings import Settings


def option_words(text: str) -> tuple[str, ...]:
    """Splits the value of one `--option` into words, as a shell would.

    >>> option_words("-pe smp 4"), option_words("--comment='my job'")
    (('-pe', 'smp', '4'), ('--comment=my job',))

    Raises:
        ValueError: quotes that are not closed, or a value of several words without quotes.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; write {_quoted(text)}") from error
    if text.startswith("--") and "=" in words[0] and any(word[0] != "-" for word in words[1:]):
        raise ValueError(f"{text!r} is several words for a shell; write {_quoted(text)}")
    return tuple(words)


def _quoted(text: str) -> str:
    """Shows how to write an option whose value has several words."""
    name, equals, value = text.partition("=")
    return f'--option "{name}{equals}{shlex.quote(value)}"' if equals else f"{text!r} in quotes"


def partition(settings: Settings) -> str | None:
    """The Slurm partition that jobs ask for, by the setting or by an option; None for the site's
    default."""
    name = settings.partition
    words = settings.options
    for word, following in zip(words, (*words[1:], ""), strict=False):
        if match := re.fullmatch(r"(?:--partition=|-p)(.+)", word):
            name = match[1]
        elif word in ("--partition", "-p"):
            name = following
    return name


def last_limits(settings: Settings, image_sets: int) -> tuple[int | None, int | None]:
    """Returns the limits of the last job, in minutes and MiB.

    If the plan limits jobs but not the last one, it gets what a load of this many image sets needs,
    and at least as much time as a job. A load is limited by its disk, at 500 image sets a minute or
    more. It needs memory for one batch and for a little information about every image set.
    """
    time, memory = settings.merge_time, settings.merge_memory
    if time is None and settings.time is not None:
        time = max(settings.time, 30 + image_sets // 500)
    if memory is None and settings.memory is not None:
        memory = 4096 + image_sets // 50
    return time, memory
