"""What ExportToDatabase writes: SQLite files, and CSV files for MySQL with their SETUP.SQL.

Tables and statements are those of CellProfiler 4.2.8 and 3.1.9, modules/exporttodatabase.py.
"""

import random
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fuzz import pipelines
from fuzz.job_tables import Table, declared_kind, job_tables
from fuzz.model import IMAGE, NUMBER, SQLITE, Job, Kind, Run, Value, rows_of

_DECLARED = {Kind.INTEGER: "integer", Kind.REAL: "float", Kind.TEXT: "TEXT"}
_TYPES = (
    "CREATE TABLE {0}Per_RelationshipTypes (relationship_type_id integer primary key, "
    "module_number integer, relationship varchar(255), object_name1 varchar(255), "
    "object_name2 varchar(255), CONSTRAINT {0}Per_RelationshipTypesUnique UNIQUE "
    "( relationship_type_id, module_number, relationship, object_name1, object_name2 ))"
)
_PAIRS = (
    "CREATE TABLE {0}Per_Relationships ( relationship_type_id integer, image_number1 integer, "
    "object_number1 integer, image_number2 integer, object_number2 integer ,CONSTRAINT "
    "{0}Per_RRTypeIdFK FOREIGN KEY ( relationship_type_id )  REFERENCES "
    "{0}Per_RelationshipTypes ( relationship_type_id ) , CONSTRAINT {0}Per_RelationshipUnique "
    "UNIQUE ( relationship_type_id, image_number1, object_number1, image_number2, "
    "object_number2 ))"
)
_EXPERIMENT = (
    "CREATE TABLE {0}Per_Experiment (\nPipeline_Pipeline longblob,\nCellProfiler_Version TEXT,\n"
    "Run_Timestamp TEXT,\nModification_Timestamp TEXT)"
)


@dataclass(frozen=True)
class _Made:
    """One table: its columns with the types they are declared with, its key, and its rows."""

    columns: Mapping[str, str]
    key: Sequence[str]
    rows: list[list[Value]]

    def create(self, name: str) -> str:
        lines = [f"{column} {declared}" for column, declared in self.columns.items()]
        return (
            f"CREATE TABLE {name} (\n" + ",\n".join(lines) + f",\nPRIMARY KEY "
            f"({', '.join(self.key)}) )"
        )


def write_sqlite(job: Job, run: Run, path: Path) -> None:
    """A job's SQLite file, damaged as the job says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = run.style.table_prefix
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        for name, made in _tables(job, run).items():
            db.execute(made.create(f"{begin}Per_{name}"))
            rows = made.rows
            if job.damage and job.damage.kind == "rows" and name in ("Object", job.damage.table):
                rows = rows[: job.damage.rows]
            places = ", ".join("?" * len(made.columns))
            db.executemany(f"INSERT INTO {begin}Per_{name} VALUES ({places})", rows)
        db.execute(_EXPERIMENT.format(begin))
        said = _said(job, run, job.format)
        said[0] = said[0].encode()  # type: ignore[call-overload]
        db.execute(f"INSERT INTO {begin}Per_Experiment VALUES (?, ?, ?, ?)", said)
        db.execute(_TYPES.format(begin))
        db.execute(_PAIRS.format(begin))
        kinds = _kinds(run)
        for kind, number in kinds.items():
            db.execute(
                f"INSERT INTO {begin}Per_RelationshipTypes VALUES (?, ?, ?, ?, ?)", (number, *kind)
            )
        db.executemany(
            f"INSERT INTO {begin}Per_Relationships VALUES (?, ?, ?, ?, ?)",
            [(kinds[pair[:4]], *pair[4:]) for pair in job.pairs],
        )
        db.execute("COMMIT")
    if job.damage and job.damage.kind == "cut":
        content = path.read_bytes()
        path.write_bytes(content[: random.Random(job.name).randrange(100, len(content) - 1)])


def write_sqlcsv(job: Job, run: Run, folder: Path) -> None:
    """A job's CSV files, damaged as the job says, and the SETUP.SQL of its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    begin = f"SQL_{job.numbers[0]}_{job.numbers[-1]}"
    tables = _tables(job, run)
    loads = []
    for name, made in tables.items():
        harmed = job.damage and (name == job.damage.table or name == "Object")
        harmed = harmed and (job.damage and job.damage.table != IMAGE) == (name != IMAGE)
        loads.append(f"{begin}_{name}.CSV")
        lines = [_line(row, made.columns) for row in made.rows]
        if harmed and job.damage and job.damage.kind == "gone":
            continue
        if harmed and job.damage and job.damage.kind == "rows":
            rest = lines[job.damage.rows]
            cut = rest[: random.Random(job.name).randrange(1, len(rest))]
            lines = [*lines[: job.damage.rows], cut]
        (folder / loads[-1]).write_bytes("".join(lines).encode())
    kinds = _kinds(run)
    if run.objects:
        pairs = "".join(f"{kinds[p[:4]]},{p[4]},{p[5]},{p[6]},{p[7]}\n" for p in job.pairs)
        loads.append(f"{begin}_Relationships.CSV")
        (folder / loads[-1]).write_text(pairs)
    setup = "".join(_setup(job, run, tables, kinds, loads))
    (folder / "SQL_SETUP.SQL").write_bytes(setup.encode())


def _setup(
    job: Job,
    run: Run,
    tables: Mapping[str, _Made],
    kinds: Mapping[tuple[int, str, str, str], int],
    loads: Sequence[str],
) -> Iterator[str]:
    begin = run.style.table_prefix
    yield "CREATE DATABASE IF NOT EXISTS DefaultDB;\nUSE DefaultDB;\n"
    for name, made in tables.items():
        yield made.create(f"{begin}Per_{name}") + ";\n"
    yield _EXPERIMENT.format(begin) + "\n;\n"
    pipeline, version, ran, modified = _said(job, run, job.format)
    yield (
        f"INSERT INTO {begin}Per_Experiment (Pipeline_Pipeline,CellProfiler_Version,"
        f"Run_Timestamp,Modification_Timestamp) VALUES (X'{pipeline.encode().hex().upper()}','"
        f"{version}','{ran}','{modified}');\n\n"
    )
    for load in loads:
        yield (
            f"LOAD DATA LOCAL INFILE '{load}' REPLACE INTO TABLE {begin}Per_"
            f"{load.removesuffix('.CSV').rpartition('_')[2]}\nFIELDS TERMINATED BY ','\n"
            "OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '\\\\';\n\n"
        )
    if run.objects:
        yield _TYPES.format(begin) + ";\n"
        for kind, number in kinds.items():
            texts = ", ".join(f"'{text}'" for text in kind[1:])
            yield (
                f"INSERT INTO {begin}Per_RelationshipTypes ( relationship_type_id, module_number, "
                f"relationship, object_name1, object_name2) VALUES({number}, {kind[0]}, {texts});\n"
            )
        yield _PAIRS.format(begin) + ";\n"


def _said(job: Job, run: Run, format: str) -> list[str]:
    times = [job.finished.replace(minute=0), job.finished]
    ran, modified = [time.isoformat() for time in times]
    if format != SQLITE:
        # Of CSV files only the beginning is said.
        ran = modified
    return [pipelines.text(run, format), run.style.version, ran, modified]


def _kinds(run: Run) -> dict[tuple[int, str, str, str], int]:
    """The kinds of relationships of a run, which all its jobs number alike."""
    kinds = sorted({pair[:4] for job in run.jobs for pair in job.pairs})
    return {kind: number for number, kind in enumerate(kinds, start=1)}


def _tables(job: Job, run: Run) -> dict[str, _Made]:
    """The tables by what follows `Per_`."""
    found = job_tables(job, run)
    made = {IMAGE: _image(found, run)}
    names = sorted(run.objects)
    if run.style.side_by_side and names:
        made["Object"] = _together(job, run, found, names)
    else:
        made |= {name: _apart(name, found[name]) for name in names}
    return made


def _image(found: Mapping[str, Table], run: Run) -> _Made:
    table = found[IMAGE]
    names = sorted(n for n in table.columns if not n.startswith("ModuleError_"))
    columns = {"ImageNumber": "INTEGER"}
    for name in names:
        columns[f"Image_{name}"] = _DECLARED[declared_kind(run, table.columns[name].feature)]
    rows: list[list[Value]] = [
        [number, *(table.columns[n].values[place] for n in names)]
        for place, (number, _) in enumerate(table.keys)
    ]
    if run.style.means:
        # Means of objects, that nobody loads: CellProfiler writes `nan` of none.
        for name in sorted(run.objects):
            columns[f"Mean_{name}_AreaShape_Area"] = "float"
            rows = [[*row, float("nan")] for row in rows]
    return _Made(columns, ["ImageNumber"], rows)


def _apart(name: str, table: Table) -> _Made:
    names = sorted(table.columns)
    columns = {"ImageNumber": "INTEGER", f"{name}_{NUMBER}": "integer"}
    for feature in names:
        columns[f"{name}_{feature}"] = _DECLARED[table.columns[feature].kind or Kind.REAL]
    rows: list[list[Value]] = [
        [*key, *(table.columns[n].values[place] for n in names)]
        for place, key in enumerate(table.keys)
    ]
    return _Made(columns, ["ImageNumber", f"{name}_{NUMBER}"], rows)


def _together(job: Job, run: Run, found: Mapping[str, Table], names: Sequence[str]) -> _Made:
    """Objects of all types side by side, those with fewer padded."""
    columns = {"ImageNumber": "INTEGER", "ObjectNumber": "INTEGER"}
    for name in names:
        made = _apart(name, found[name])
        columns |= {c: d for c, d in made.columns.items() if c != "ImageNumber"}
    rows: list[list[Value]] = []
    images = [n for n in rows_of(job, names[0], True) if n not in job.failed]
    seen: dict[int, int] = {}
    for number in images:
        seen[number] = place = seen.get(number, 0) + 1
        row: list[Value] = [number, place]
        for name in names:
            table = found[name]
            at = table.keys.index((number, place)) if (number, place) in table.keys else None
            row.append(None if at is None else place)
            for feature in sorted(table.columns):
                row.append(None if at is None else table.columns[feature].values[at])
        rows.append(row)
    return _Made(columns, ["ImageNumber", "ObjectNumber"], rows)


def _line(row: Sequence[Value], columns: Mapping[str, str]) -> str:
    """A row as LOAD DATA reads it: texts in quotes, NULL, counts as real numbers."""
    fields = []
    for (column, declared), value in zip(columns.items(), row, strict=True):
        if value is None:
            fields.append("NULL")
        elif isinstance(value, str):
            fields.append(f'"{_escaped(value)}"')
        elif declared == "integer" and column.startswith("Image_Count_"):
            fields.append(repr(float(value)))
        else:
            fields.append(str(value))
    return ",".join(fields) + "\n"


def _escaped(text: str) -> str:
    """As MySQL's own client library escapes a text."""
    for plain, escaped in (
        ("\\", "\\\\"),
        ("'", "\\'"),
        ('"', '\\"'),
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\x1a", "\\Z"),
    ):
        text = text.replace(plain, escaped)
    return text
