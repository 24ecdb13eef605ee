"""Folders of CSV files, as ExportToSpreadsheet writes them (CellProfiler 4.2.8)."""

import csv
import io
import json
import random
from collections.abc import Iterable
from pathlib import Path

from fuzz import pipelines
from fuzz.job_tables import Table, job_tables
from fuzz.model import CSV, IMAGE, NUMBER, Job, Run

_PAIRS = (
    "Module",
    "Module Number",
    "Relationship",
    "First Object Name",
    "First Image Number",
    "First Object Number",
    "Second Object Name",
    "Second Image Number",
    "Second Object Number",
)


def write_job(job: Job, run: Run, folder: Path) -> None:
    """A job's CSV files, damaged as the job says."""
    folder.mkdir(parents=True, exist_ok=True)
    style, tables = run.style, job_tables(job, run)
    for name, table in tables.items():
        if job.damage and (job.damage.kind, job.damage.table) == ("gone", name):
            continue
        header, rows = _image(table) if name == IMAGE else _objects(table, tables[IMAGE], run)
        content = _text([header, *rows])
        if job.damage and (job.damage.kind, job.damage.table) == ("rows", name):
            kept = _text([header, *rows[: job.damage.rows]])
            content = kept + _part(_line(rows[job.damage.rows]), job.name)
        (folder / f"{style.file_prefix}{name}.csv").write_bytes(content.encode())
    if style.relationships_csv:
        rows = [
            [f"Module{p[0]}", p[0], p[1], p[2], p[4], p[5], p[3], p[6], p[7]] for p in job.pairs
        ]
        content = _text([_PAIRS, *rows])
        path = folder / f"{style.file_prefix}Object relationships.csv"
        path.write_bytes(content.encode())
    if style.experiment_csv:
        lines = [("Key", "Value"), *_said(job, run).items()]
        path = folder / f"{style.file_prefix}Experiment.csv"
        path.write_bytes(_text(lines).encode())


def _part(line: str, seed: str) -> str:
    """The beginning of a line, none of which ends a line."""
    return line[: random.Random(seed).randint(1, max(1, line.index("\n") - 1))]


def _said(job: Job, run: Run) -> dict[str, str]:
    said = {
        "CellProfiler_Version": run.style.version,
        "Pipeline_Pipeline": pipelines.text(run, CSV),
        "Run_Timestamp": job.finished.isoformat(),
    }
    return said | ({"Metadata_GroupingTags": json.dumps(run.tags)} if run.tags else {})


def _text(lines: Iterable[Iterable[object]]) -> str:
    return "".join(map(_line, lines))


def _line(fields: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(fields)
    return text.getvalue()


def _image(table: Table) -> tuple[list[str], list[list[object]]]:
    names = sorted([*table.columns, "ImageNumber"])
    rows: list[list[object]] = [
        [number if n == "ImageNumber" else table.columns[n].values[place] for n in names]
        for place, (number, _) in enumerate(table.keys)
    ]
    return names, rows


def _objects(table: Table, image: Table, run: Run) -> tuple[list[str], list[list[object]]]:
    repeated = [n for n in sorted(image.columns) if n.startswith("Metadata_")]
    if not run.style.repeated_metadata:
        repeated = []
    places = {number: place for place, (number, _) in enumerate(image.keys)}
    own = sorted([*table.columns, NUMBER])
    rows: list[list[object]] = []
    for place, (number, position) in enumerate(table.keys):
        known = [image.columns[n].values[places[number]] for n in repeated]
        mine = [position if n == NUMBER else table.columns[n].values[place] for n in own]
        rows.append([number, position, *known, *mine])
    return ["ImageNumber", "ObjectNumber", *repeated, *own], rows
