"""Turns plain Python arguments into the values that the rest of the package takes."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias, overload
from urllib.parse import quote

from cpexport.cellprofiler.image_identity import FILE, METADATA
from cpexport.destination_url import destination_url
from cpexport.errors import UsageError
from cpexport.files.places import is_on_disk, path_of

FilePath: TypeAlias = str | os.PathLike[str]
Words: TypeAlias = str | Iterable[str]
"""One word, several with commas between, or any iterable of words."""


def path(file: FilePath | None) -> Path | None:
    """The path of a file; None if there is none."""
    return None if file is None else path_of(file)


@overload
def new_path(file: FilePath) -> Path: ...
@overload
def new_path(file: None) -> None: ...
@overload
def new_path(file: FilePath | None) -> Path | None: ...
def new_path(file: FilePath | None) -> Path | None:
    """The path of a file or folder to write; None if there is none.

    Raises:
        UsageError: it is in a bucket.
    """
    place = path(file)
    if place and not is_on_disk(place):
        raise UsageError(f"{place}: cpexport does not write into buckets; name a path on a disk")
    return place


def paths(files: FilePath | Iterable[FilePath]) -> tuple[Path, ...]:
    """The paths of one file or folder, or of several.

    >>> [str(path) for path in paths("outputs")], len(paths(["run1", Path("run2")]))
    (['outputs'], 2)
    """
    if isinstance(files, str | os.PathLike):
        return (path_of(files),)
    return tuple(map(path_of, files))


def comma_list(words: Words | None) -> str | None:
    """The words as the command line takes them, with commas between.

    >>> comma_list(["mean", "std"]), comma_list("mean,std"), comma_list(None)
    ('mean,std', 'mean,std', None)
    """
    return words if words is None or isinstance(words, str) else ",".join(words)


def word_list(words: Words) -> tuple[str, ...]:
    """The words one by one; a text is one word.

    >>> word_list("/data=/mnt/lab"), word_list(["a=/a", "b=/b"])
    (('/data=/mnt/lab',), ('a=/a', 'b=/b'))
    """
    return (words,) if isinstance(words, str) else tuple(words)


def listed(words: Words) -> tuple[str, ...]:
    """The words of a list with commas, or of the file that `@FILE` names, one a line.

    >>> listed("Nuclei_Texture_*,Cells_Texture_*"), listed(["a", "b"])
    (('Nuclei_Texture_*', 'Cells_Texture_*'), ('a', 'b'))

    Raises:
        UsageError: the file cannot be read, or is not text.
    """
    if not isinstance(words, str):
        return tuple(words)
    if words.startswith("@"):
        try:
            lines = Path(words[1:]).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = (isinstance(error, OSError) and error.strerror) or "not text in UTF-8"
            raise UsageError(f"{words[1:]}: cannot be read: {why}") from error
    else:
        lines = words.split(",")
    return tuple(line.strip() for line in lines if line.strip())


def pairs(words: Words | Mapping[str, str]) -> tuple[str, ...]:
    """The pairs of a mapping, or words, as `KEY=VALUE`.

    >>> pairs({"/data": "/mnt/lab"})
    ('/data=/mnt/lab',)
    """
    if isinstance(words, Mapping):
        return tuple(f"{key}={value}" for key, value in words.items())
    return word_list(words)


def lists_of(plan: FilePath | Iterable[FilePath], batch: FilePath | None) -> tuple[Path, ...]:
    """LoadData's lists.

    Raises:
        UsageError: there is a batch file, too, or it is a list.
    """
    lists = paths(plan)
    if batch is not None and os.fspath(batch).lower().endswith((".csv", ".csv.gz")):
        raise UsageError(f"{path_of(batch)}: not a batch file; name a list with --plan")
    if lists and batch is not None:
        raise UsageError("--batch and --plan exclude each other; leave one out")
    return lists


def key_features(words: Words | None) -> tuple[str, ...]:
    """The metadata or file names that identify image sets; words may lack `Metadata_`.

    >>> key_features("Plate,FileName_DNA"), key_features(None)
    (('Metadata_Plate', 'FileName_DNA'), ())

    Raises:
        UsageError: a word is empty, or is there twice.
    """
    if words is None:
        return ()
    names = [word.strip() for word in (comma_list(words) or "").split(",")]
    if not all(names):
        raise UsageError("--key needs names of metadata, such as Plate,Well,Site")
    key = tuple(n if n.startswith((FILE, METADATA)) else f"{METADATA}{n}" for n in names)
    if repeated := [name for name in key if key.count(name) > 1]:
        raise UsageError(f"--key names {repeated[0]} twice")
    return key


def url(to: FilePath | None, defaults_file: FilePath | None = None) -> str | None:
    """The URL of a destination that is named by a URL or a file name; None without one.

    `defaults_file` is the option file of a server's client. It goes into the URL, so that it goes
    wherever the URL goes.

    >>> url("screen.sqlite"), url(Path("screen.duckdb"))
    ('sqlite:///screen.sqlite', 'duckdb:///screen.duckdb')

    Raises:
        UsageError: neither a URL nor a file name with a known ending, or an option file for a
            destination that is no server.
    """
    named = None if to is None else destination_url(os.fspath(to))
    if defaults_file is None:
        return named
    from cpexport.sinks.registry import capabilities

    if named is None or not capabilities(named).server:
        raise UsageError("--defaults-file needs --to mysql+pymysql://...")
    sign = "&" if "?" in named else "?"
    file = quote(str(Path(defaults_file).absolute()), safe="/")
    return f"{named}{sign}read_default_file={file}"


def check_range(
    option: str,
    value: float | None,
    least: float,
    most: float | None = None,
    *,
    above: bool = False,
) -> None:
    """Refuses a number outside the bounds of an option, or `least` itself if it must be `above`.

    Raises:
        UsageError: names the option as the command line does, and its bounds.
    """
    if value is None:
        return
    too_small = value <= least if above else value < least
    if too_small or (most is not None and value > most):
        bounds = f"above {least}" if above else f"from {least}"
        end = "" if most is None else f" to {most}"
        raise UsageError(f"--{option} is a number {bounds}{end}, not {value}")
