"""Formats what `info` says about a destination or about files, as tables and JSON."""

from collections.abc import Iterator, Mapping, Sequence

from cpexport.cellprofiler.pipeline_use import PipelineUse
from cpexport.cli.json_text import json_text
from cpexport.cli.tables import aligned, brief, filled, left_out, table
from cpexport.commands.info import InfoReport
from cpexport.commands.info_files import FilesInfo, OutputInfo
from cpexport.derived.plates import PlateContent
from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import History
from cpexport.spelling import counted

_UNKNOWN = "unknown"
_DIGITS = 8
_PLATES = 40


def info_text(
    reports: Sequence[InfoReport | FilesInfo], format: str, width: int | None = None
) -> str:
    """Describes destinations, files, or the columns that were asked for, as `table` or `json`; the
    JSON of several reports is a list."""
    if format == "json":
        fields = [found.to_dict() for found in reports]
        return json_text(fields[0] if len(fields) == 1 else fields)
    return "\n\n".join(_text(found, width) for found in reports)


def _text(found: InfoReport | FilesInfo, width: int | None) -> str:
    if isinstance(found, FilesInfo):
        return _files_text(found, width)
    if found.columns:
        head = ["COLUMN", "TABLE", "OBJECT", "FEATURE", "TYPE"]
        rows = [[c.column, c.table, c.object, c.feature, c.type] for c in found.columns]
        return f"{table(head, rows, width=width)}\n\n{found.query}"
    others = [prefix or "(none)" for prefix in found.prefixes]
    lines = [
        ["destination", found.destination],
        ["size", bytes_text(found.size)],
        ["written by", _versions(found.history)],
        ["batches", f"{found.history.current} current, {found.history.replaced} replaced"],
        ["image sets", _sets(found.image_sets)],
        *([["runs", filled(found.runs)]] if found.runs else []),
        *([["prefixes", filled(others)]] if len(others) > 1 else []),
        *([["plates", _plates(found.plates)]] if found.plates else []),
        *(["pipeline", line] for line in _pipelines(found.pipelines)),
        ["whole", "\n".join(["no", *found.problems]) if found.problems else "yes"],
    ]
    rows = [[one.name, str(one.rows), str(one.columns)] for one in found.tables]
    tables = table(["TABLE", "ROWS", "COLUMNS"], rows, width=width)
    return f"{aligned(lines, width)}\n\n{tables}"


def bytes_text(size: int) -> str:
    """A size as people read it.

    >>> bytes_text(512), bytes_text(2_540_000), bytes_text(16_400_000_000)
    ('512 bytes', '2.5 MB', '16.4 GB')
    """
    number, unit = float(size), "bytes"
    for unit_of_thousand in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, unit_of_thousand
    return f"{size} bytes" if unit == "bytes" else f"{number:.1f} {unit}"


def _versions(history: History) -> str:
    by = [f"cpexport {v} ({counted(n, 'batch')})" for v, n in history.versions.items()]
    times = " to ".join(dict.fromkeys(filter(None, (history.first, history.last))))
    return "\n".join([filled(by), *([times] if times else [])])


def _sets(image_sets: ImageSets) -> str:
    return f"{len(image_sets)}  {brief(image_sets)}".strip()


def _plates(plates: Sequence[PlateContent]) -> str:
    shown = [
        f"{plate.name or '(no name)'} ({counted(plate.wells, 'well')}, "
        f"{counted(plate.image_sets, 'image set')})"
        for plate in plates[:_PLATES]
    ]
    more = len(plates) - _PLATES
    return filled([*shown, f"and {more} more"] if more > 0 else shown)


def _pipelines(pipelines: Sequence[PipelineUse]) -> Iterator[str]:
    for use in pipelines:
        by = f"CellProfiler {use.cellprofiler or 'of an unknown version'}"
        yield f"{_digest(use.sha256)}, {by}, {counted(use.batches, 'batch')}"


def _digest(sha256: str | None) -> str:
    return f"SHA-256 {sha256[:_DIGITS]}" if sha256 else _UNKNOWN


def _files_text(found: FilesInfo, width: int | None) -> str:
    parts = [aligned(_lines(batch), width) for batch in found.batches]
    if found.batch_file is not None:
        lines = [["batch file", str(found.batch_file)], ["planned", _sets(found.planned)]]
        lines += [["groups", str(found.groups)]] if found.groups else []
        lines += [["CellProfiler", found.cellprofiler or _UNKNOWN]]
        lines += [["pipeline", _digest(found.pipeline)]]
        parts.append(aligned(lines, width))
    return ("\n\n".join(parts) + left_out(found.left_out, "Not read:", width)).lstrip("\n")


def _lines(batch: OutputInfo) -> list[list[str]]:
    ended = f", ended {batch.finished}" if batch.finished else ""
    return [
        ["output", batch.path],
        ["format", f"{batch.format}, {counted(batch.files, 'file')}, {bytes_text(batch.size)}"],
        ["CellProfiler", batch.cellprofiler or _UNKNOWN],
        ["pipeline", _digest(batch.pipeline)],
        ["image sets", _sets(batch.image_sets)],
        ["complete", _sets(batch.complete)],
        ["features", _features(batch.features)],
        ["whole", f"{_whole(batch)}{ended}"],
    ]


def _whole(batch: OutputInfo) -> str:
    if batch.state == "complete" and batch.complete == batch.image_sets:
        return "yes"
    return f"no: {batch.state}, {batch.reason}" if batch.reason else f"no: {batch.state}"


def _features(features: Mapping[str, int]) -> str:
    return filled(f"{name} {number}" for name, number in features.items()) or "none"
