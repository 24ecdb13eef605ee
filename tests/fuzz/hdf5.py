"""Measurement files and batch files, in CellProfiler's HDF5 layout.

As `utilities/hdf5_dict.py` of CellProfiler 4.2.8 writes it, superseded values and rows out of
order included.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fuzz import pipelines
from fuzz.job_tables import Column, Key, Table, job_tables, planned
from fuzz.model import H5, IMAGE, NUMBER, Job, Kind, Run, Value

_CHUNKS: dict[str, Any] = {
    "chunks": (1024,),
    "maxshape": (None,),
    "compression": "gzip",
    "compression_opts": 4,
    "shuffle": True,
}
_INDEX: dict[str, Any] = {"chunks": (1024, 3), "maxshape": (None, 3)}
_TEXT = h5py.special_dtype(vlen=str)
_PAIR = ("ImageNumber_First", "ObjectNumber_First", "ImageNumber_Second", "ObjectNumber_Second")


def write_job(job: Job, run: Run, path: Path) -> None:
    """A job's measurement file, damaged as the job says."""
    damage = job.damage.kind if job.damage else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(job.name)
    tables = job_tables(job, run)
    with h5py.File(path, "w") as file:
        root = _begun(file)
        said = _said(job, run)
        if damage == "early":
            known = [n for n in tables[IMAGE].columns if n in run.planned[0].image]
            image = tables[IMAGE]
            tables = {IMAGE: Table(image.keys, {n: image.columns[n] for n in known})}
        elif damage != "unended":
            said["Modification_Timestamp"] = job.finished.isoformat()
            said["Exit_Status"] = job.exit_status
        for name, value in said.items():
            _one(root, "Experiment", name, value, run)
        for name, table in tables.items():
            _table(root, name, table, run, rng)
        _numbers(root, job.numbers, rng)
        if damage != "early":
            _pairs(root, job)
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        content = path.read_bytes()
        path.write_bytes(content[: rng.randrange(9, len(content) - 1)])


def write_batch_file(run: Run, path: Path) -> None:
    """The batch file of a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = pipelines.plan_text(run)
    with h5py.File(path, "w") as file:
        root = _begun(file)
        _one(root, "Experiment", "CellProfiler_Version", run.style.version, run)
        _one(root, "Experiment", "Run_Timestamp", "2026-03-01T09:00:00.000001", run)
        _one(root, "Experiment", "Path_Mappings", '{"PathMappings": []}', run)
        _one(root, "Experiment", "Pipeline_UserPipeline", text, run)
        _one(root, "Experiment", "Pipeline_Pipeline", text, run, before=[text])
        if run.tags:
            _one(root, "Experiment", "Metadata_GroupingTags", json.dumps(run.tags), run)
        rng = random.Random(run.name)
        _table(root, IMAGE, planned(run), run, rng)
        _numbers(root, [one.number for one in run.planned], rng)


def _begun(file: h5py.File) -> h5py.Group:
    file.create_dataset("Version", data=np.array([1], np.int64))
    return file.create_group("Measurements/2026-03-01-12-03-11")


def _said(job: Job, run: Run) -> dict[str, str]:
    said = {
        "CellProfiler_Version": run.style.version,
        "Pipeline_Pipeline": pipelines.text(run, H5),
        "Run_Timestamp": job.finished.replace(minute=0).isoformat(),
    }
    return said | ({"Metadata_GroupingTags": json.dumps(run.tags)} if run.tags else {})


def _escaped(text: str, run: Run) -> str:
    # Version 3 escapes every text (319/measurement.py, wrap_string).
    old = run.style.version.startswith("3")
    return text.encode("unicode_escape").decode("ascii") if old else text


def _one(
    root: h5py.Group, owner: str, name: str, value: str, run: Run, before: Sequence[str] = ()
) -> None:
    """A text about the whole run, after those that it had before."""
    texts = [_escaped(text, run) for text in (*before, value)]
    group = root.create_group(f"{owner}/{name}")
    group.create_dataset("data", data=texts, dtype=_TEXT, **_CHUNKS)
    index = np.array([[0, len(texts) - 1, len(texts)]], np.int64)
    group.create_dataset("index", data=index, **_INDEX)


def _table(root: h5py.Group, name: str, table: Table, run: Run, rng: random.Random) -> None:
    owner = root.require_group(name)
    for column in table.columns.values():
        _feature(owner, column, table.keys, run, rng)
    if name != IMAGE:
        sets = sorted({number for number, _ in table.keys})
        many = {n: sum(number == n for number, _ in table.keys) for n in sets}
        for feature in ("ObjectNumber", NUMBER):
            values = [place for n in sets for place in range(1, many[n] + 1)]
            _write(owner, feature, values, np.int64, [(n, many[n]) for n in sets], rng)


def _feature(
    owner: h5py.Group, column: Column, keys: Sequence[Key], run: Run, rng: random.Random
) -> None:
    """One feature: for each image set as many values as there are up to the last that is known."""
    parts: dict[int, list[Value]] = {}
    for (number, _), value in zip(keys, column.values, strict=True):
        parts.setdefault(number, []).append(value)
    for values in parts.values():
        while values and values[-1] is None:
            values.pop()
    if column.kind == Kind.TEXT:
        flat: list[Any] = [_escaped(str(v), run) for values in parts.values() for v in values]
        dtype: Any = _TEXT
    elif column.kind == Kind.REAL:
        flat = [v for values in parts.values() for v in values]
        dtype = np.float32 if column.feature.single else np.float64
    else:
        # A feature that never had a value is of integers, whatever it is elsewhere.
        flat, dtype = [v for values in parts.values() for v in values], np.int64
    lengths = [(number, len(values)) for number, values in parts.items()]
    if rng.random() < 0.5:
        lengths = [(number, many) for number, many in lengths if many]
    _write(owner, column.feature.name, flat, dtype, lengths, rng)


def _write(
    owner: h5py.Group,
    feature: str,
    values: Sequence[Any],
    dtype: Any,
    lengths: Sequence[tuple[int, int]],
    rng: random.Random,
) -> None:
    index, at = [], 0
    old: list[Any] = []
    if values and rng.random() < 0.1:
        # Values that later ones superseded stay in `data`.
        old = list(values[: rng.randint(1, len(values))])
        at = len(old)
    for number, many in lengths:
        index.append((number, at, at + many))
        at += many
    if rng.random() < 0.1:
        rng.shuffle(index)
    data = [*old, *values]
    group = owner.create_group(feature)
    if dtype is not _TEXT:
        data = np.array(data, dtype)  # type: ignore[assignment]
    group.create_dataset("data", data=data, dtype=dtype, **_CHUNKS)
    rows = np.array(index, np.int64).reshape(len(index), 3)
    group.create_dataset("index", data=rows, **_INDEX)


def _numbers(root: h5py.Group, numbers: Sequence[int], rng: random.Random) -> None:
    owner = root.require_group(IMAGE)
    _write(owner, "ImageNumber", numbers, np.int64, [(number, 1) for number in numbers], rng)


def _pairs(root: h5py.Group, job: Job) -> None:
    kinds: dict[tuple[int, str, str, str], list[tuple[int, int, int, int]]] = {}
    for pair in job.pairs:
        kinds.setdefault(pair[:4], []).append(pair[4:])
    for (module, name, first, second), rows in kinds.items():
        leaf = root.create_group(f"Relationship/{module}/{name}/{first}/{second}")
        for place, vector in enumerate(_PAIR):
            values = np.array([row[place] for row in rows], np.int32)
            leaf.create_dataset(vector, data=values, chunks=(1024,), maxshape=(None,))
