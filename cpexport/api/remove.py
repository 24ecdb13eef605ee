"""Takes image sets out of a destination; implements `cpexport.remove`."""

from collections.abc import Iterable

from cpexport.api.arguments import FilePath, paths, url
from cpexport.commands import remove as commands
from cpexport.commands.chosen import Chosen
from cpexport.commands.remove import RemoveReport
from cpexport.errors import UsageError
from cpexport.imagesets import ImageSets


def remove(
    to: FilePath,
    *,
    batches: FilePath | Iterable[FilePath] = (),
    image_sets: ImageSets | str | Iterable[int] | None = None,
    run: str | None = None,
    plate: str | None = None,
    prefix: str = "",
    dry_run: bool = False,
    defaults_file: FilePath | None = None,
) -> RemoveReport:
    """Takes image sets out of a destination, with all their rows, in one transaction.

    What was removed stays out: `load` brings it back from the same outputs only with `again`. An
    output that is new may have the same image sets. Whatever is computed from image sets, such as
    tables of wells, is brought up to date.

    >>> import cpexport
    >>> loaded = cpexport.load("screen/outputs", "screen.sqlite")
    >>> removed = cpexport.remove("screen.sqlite", plate="P2")
    >>> removed.image_sets, removed.rows["Per_Image"], removed.left
    (ImageSets('13-23'), 11, 11)
    >>> cpexport.load("screen/outputs", "screen.sqlite").image_sets
    0
    >>> cpexport.load("screen/outputs", "screen.sqlite", again=True).image_sets
    11

    to: the destination: a URL as for `--to`, or a file name.
    batches: outputs as they were loaded, or folders of them: one path or several.
    image_sets: their numbers, such as `"1-10,12"`.
    run: the run, if the destination numbers runs. Alone, it removes the whole run.
    plate: the name of a plate.
    prefix: what the names of all tables begin with.
    dry_run: whether only to report what would be removed.
    defaults_file: the option file of a MySQL or MariaDB server; by default ~/.my.cnf.

    Image sets are removed that meet all conditions.

    Raises:
        UsageError: nothing is chosen, or the destination has nothing of it; nothing was removed.
        SinkError: the destination cannot be read or written; nothing was removed.
    """
    where = url(to, defaults_file)
    assert where is not None
    chosen = Chosen(paths(batches), _numbers(image_sets), run, plate)
    return commands.remove(where, prefix, chosen, dry_run=dry_run)


def _numbers(image_sets: ImageSets | str | Iterable[int] | None) -> ImageSets | None:
    """Image sets from a text such as `1-10,12`, or from numbers.

    Raises:
        UsageError: the text has another form.
    """
    if image_sets is None or isinstance(image_sets, ImageSets):
        return image_sets
    try:
        if isinstance(image_sets, str):
            return ImageSets.parse(image_sets)
        return ImageSets.of(image_sets)
    except ValueError as error:
        raise UsageError(f"--image-sets takes numbers such as 1-10,12, not {image_sets}") from error
