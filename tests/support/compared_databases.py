"""Compares our database with CellProfiler's own database of the same run.

One CellProfiler run left its databases, an .h5 file and CSV files. They are in the folders of
`data/cases/22_exports` and of the conformance tests, with the same names.
"""

from pathlib import Path

import h5py
import numpy as np

from support.fixtures import closeness, columns, declared, rows

ALL = "mean,median,std"
COMBINED = ("--objects", "combined", "--aggregate", ALL)
SEPARATE = ("--objects", "separate", "--aggregate", ALL)
MYEXPT = ("--prefix", "MyExpt_")

# The options that make the same tables as ExportToDatabase, by run and database.
OPTIONS = {
    "plain/separate": (*MYEXPT, *SEPARATE),
    "plain/combined": (*MYEXPT, *COMBINED),
    "plain/view": (*MYEXPT, "--objects", "view", "--aggregate", ALL),
    "plain/noprefix": ("--objects", "combined,Nuclei,Cells"),
    "plain/noobjects": ("--prefix", "Imgs_", "--objects", "none", "--aggregate", ALL),
    "thumbnails/props": (*MYEXPT, *COMBINED),
    "long/longnames": (*MYEXPT, *COMBINED),
    "long/longnames_separate": (*MYEXPT, *SEPARATE),
    "long/longnames40": (*MYEXPT, *COMBINED, "--max-column-length", "40"),
    "tracks/tracks": (*MYEXPT, *SEPARATE),
}

_AGGREGATES = ("Mean_", "Median_", "StDev_")

# The types that CellProfiler declares, and what we declare for them.
_TYPES = {"LONGBLOB": "TEXT", "VARCHAR(255)": "TEXT"}


def tables(database: Path, kind: str = "table") -> list[str]:
    """The tables or views of measurements, without those of the ledger and of experiments."""
    found = rows(database, f"SELECT name FROM sqlite_master WHERE type = '{kind}' ORDER BY name")
    names = [str(name) for (name,) in found]
    return [n for n in names if not n.startswith(("_", "sqlite")) and "Experiment" not in n]


def measured(database: Path) -> list[str]:
    """The tables with a row for each image set or object."""
    return [name for name in tables(database) if "Relationship" not in name]


def differ_in_type(ours: Path, theirs: Path, table: str) -> dict[str, tuple[str, str]]:
    """The columns with different declared types, with our type and theirs."""
    one, other = declared(ours, table), declared(theirs, table)
    both = {name: (one[name], _TYPES.get(type, type)) for name, type in other.items()}
    return {name: types for name, types in both.items() if types[0] != types[1]}


def differ_in_value(ours: Path, theirs: Path, table: str) -> dict[str, str]:
    """The columns whose values are neither equal nor 1 ulp apart, and how close they are.

    Aggregates of values that are equal as `float32` differ only by rounding: they are `close`.
    """
    one, other = columns(ours, table), columns(theirs, table)
    closeness_by_column = {name: closeness(one[name], other[name]) for name in other}
    for name in (name for name, how in closeness_by_column.items() if how == "different"):
        a, b = np.array(one[name], np.float64), np.array(other[name], np.float64)
        if name.startswith(_AGGREGATES) and np.allclose(a, b, rtol=1e-6, equal_nan=True):
            closeness_by_column[name] = "close"
    return {
        name: how for name, how in closeness_by_column.items() if how not in ("equal", "one ulp")
    }


def keys(database: Path, table: str) -> list[tuple[object, ...]]:
    """The columns of the primary key, of other indexes, and of foreign keys."""
    key = rows(database, f"SELECT name FROM pragma_table_info('{table}') WHERE pk ORDER BY pk")
    indexes = rows(
        database,
        f"SELECT i.name, i.[unique], c.name FROM pragma_index_list('{table}') i, "
        "pragma_index_info(i.name) c WHERE i.name NOT LIKE 'sqlite_auto%' ORDER BY 1, c.seqno",
    )
    unique = rows(
        database,
        f"SELECT group_concat(c.name) FROM pragma_index_list('{table}') i, "
        "pragma_index_info(i.name) c WHERE i.origin = 'u' GROUP BY i.name",
    )
    foreign = rows(
        database, f"SELECT [table], [from], [to] FROM pragma_foreign_key_list('{table}')"
    )
    return [*key, *indexes, *unique, *foreign]


def pairs(database: Path) -> list[tuple[object, ...]]:
    """The relationships, spelled out."""
    (view,) = (name for name in tables(database, "view") if name.endswith("RelationshipsView"))
    return rows(database, f"SELECT * FROM {view}")


def single_precision(h5: Path) -> set[str]:
    """The long names of columns that CellProfiler computed with 32 bits, and of their aggregates.

    CSV files have only the digits that such values need. So has CellProfiler's database for values
    that it writes when a group is done.
    """
    names = set()
    with h5py.File(h5) as file:
        runs = file["Measurements"]
        run = runs[sorted(runs)[-1]]
        for name in set(run) - {"Experiment", "Relationship"}:
            for feature, group in run[name].items():
                if group["data"].dtype == "float32":
                    names |= {f"{start}{name}_{feature}" for start in ("", *_AGGREGATES)}
    return names
