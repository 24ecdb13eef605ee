"""Files that CellProfiler Analyst 3 opens by the field `db_sql_file` of a properties file.

It builds its own SQLite database from them (dbconnect.py, CreateSQLiteDB). From the script it reads
CREATE TABLE, from the start of a line to a `;` at the end of one, and LOAD DATA lines with a quoted
file name of letters, digits and `_` that ends in image.csv or object.csv. The fields of these files
go into the two tables by position; an empty field counts as missing.
"""

import re
from dataclasses import replace
from pathlib import Path

from cpexport import __version__
from cpexport.derived.cpa_properties import properties
from cpexport.sinks.sql import schema
from cpexport.sinks.sqlite.connection import DIALECT
from cpexport.sql_script.manifest import Manifest, ScriptOptions

PROPERTIES = "import.properties"

_LOAD = "LOAD DATA LOCAL INFILE '{name}' INTO TABLE {table} FIELDS TERMINATED BY ',';\n"


def shown(url: str, folder: Path, prefix: str) -> dict[str, str]:
    """The tables that CellProfiler Analyst shows, each with its kind of file, `image` or `object`.

    Raises:
        SinkError: the destination has nothing to show.
    """
    shown_properties = properties(url, folder, prefix=prefix)
    objects = {shown_properties.objects.table: "object"} if shown_properties.objects else {}
    return {shown_properties.image_table: "image", **objects}


def files(contents: Manifest, form: ScriptOptions, url: str, folder: Path) -> dict[str, str]:
    """The text of the script, and of the properties file that names it, by file name."""
    shown_properties = properties(url, folder, prefix=contents.prefix)
    database = {"db_type": "sqlite", "db_sql_file": form.script}
    text = f"-- Written by cpexport {__version__}: open {PROPERTIES} with CellProfiler Analyst.\n"
    for table in contents.layout.tables.values():
        (made,) = schema.create(schema.data_table(table), DIALECT)
        text += re.sub(r"\s*\n\s*", " ", made) + ";\n"
    for unit in contents.units:
        for file in unit.files:
            text += _LOAD.format(name=file.name, table=file.table)
    return {form.script: text, PROPERTIES: replace(shown_properties, database=database).text()}
