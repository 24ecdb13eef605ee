"""Walks a prefix of a bucket as `files.walk` walks a folder, by its listing alone."""

from collections.abc import Iterator, Mapping

import xxhash

from cpexport.files.buckets import BucketError, Entry
from cpexport.files.explained import unreadable
from cpexport.files.listed import SCRIPT, Listed, ReportFiles, is_hidden
from cpexport.files.listings import Listing
from cpexport.files.places import RemotePath


def walk_bucket(top: RemotePath, report: ReportFiles) -> Iterator[Listed]:
    """Yields every folder below `top` once, as `files.walk.walk` does.

    A listing has all objects in one order, whatever their folders are, so it is complete before the
    first folder comes. An object of 0 bytes under the name of a folder, which some programs make in
    place of one, is no file.

    Raises:
        SourceError: `top` cannot be listed.
    """
    listing = Listing(top)
    try:
        _list(top, listing, report)
    except BucketError as error:
        raise unreadable(top, error, "check the URL") from error
    order = listing.folders()
    left_out = ""
    for place, folder in enumerate(order):
        if left_out and folder.startswith(left_out):
            continue
        files = {
            name: entry
            for name, entry in sorted(listing.files(folder).items())
            if entry.size or f"{folder}/{name}" not in listing
        }
        if SCRIPT in files:
            left_out = f"{folder}/"
            continue
        has_folders = place + 1 < len(order) and order[place + 1].startswith(f"{folder}/")
        yield Listed(
            folder, folder, tuple(files), (), b"" if has_folders else _state(folder, files)
        )


def _list(top: RemotePath, listing: Listing, report: ReportFiles) -> None:
    """Lists all objects that a walk shows. Those of one folder come together, nearly always."""
    begin = len(top.key) + 1 if top.key else 0
    folder, files, count = str(top), dict[str, Entry](), 0
    for page in top.bucket.pages(top.key):
        for key, entry in page:
            parts = key[begin:].split("/")
            if key == top.key or any(map(is_hidden, parts)):
                continue
            home = "/".join([str(top), *parts[:-1]])
            if home != folder:
                listing.add(folder, files)
                folder, files = home, {}
            files[parts[-1]] = entry
        count += len(page)
        report(count)
    listing.add(folder, files)


def _state(folder: str, files: Mapping[str, Entry]) -> bytes:
    """A digest of what a bucket says about the files of a folder; see `Listed.state`."""
    parts = [f"{name}\0{e.size} {e.modified} {e.tag}" for name, e in files.items()]
    if not all(entry.tag for entry in files.values()):
        return b""
    return xxhash.xxh3_128_hexdigest("\n".join([folder, *parts]).encode()).encode()
