"""Files that CellProfiler Analyst 3 opens by the field `db_sql_file` of a properties file.

It makes an SQLite database of its own of them (dbconnect.py, CreateSQLiteDB). Of the script it
reads CREATE TABLE at the start of a line up to a `;` at the end of one, and LOAD DATA lines with a
quoted name of letters, digits and `_` that ends in image.csv or object.csv. Fields of those go into
the two tables by position, and an empty one is what it takes for missing.
"""

import re
from dataclasses import replace
from pathlib import Path

from cpexport import __version__
from cpexport.importer.contents import Contents, Form
from cpexport.properties import properties
from cpexport.sinks import schema
from cpexport.sinks.sqlitefile import DIALECT

PROPERTIES = "import.properties"

_LOAD = "LOAD DATA LOCAL INFILE '{name}' INTO TABLE {table} FIELDS TERMINATED BY ',';\n"


def shown(url: str, folder: Path, prefix: str) -> dict[str, str]:
    """The tables that CellProfiler Analyst shows of a destination, and what their files are.

    Raises:
        SinkError: there is nothing that could be shown.
    """
    found = properties(url, folder, prefix=prefix)
    objects = {found.objects.table: "object"} if found.objects else {}
    return {found.image_table: "image", **objects}


def files(contents: Contents, form: Form, url: str, folder: Path) -> dict[str, str]:
    """The texts of the script and of the properties file that names it, by file name."""
    found = properties(url, folder, prefix=contents.prefix)
    database = {"db_type": "sqlite", "db_sql_file": form.script}
    text = f"-- Written by cpexport {__version__}: open {PROPERTIES} with CellProfiler Analyst.\n"
    for table in contents.layout.tables.values():
        (made,) = schema.create(schema.data_table(table), DIALECT)
        text += re.sub(r"\s*\n\s*", " ", made) + ";\n"
    for unit in contents.units:
        for file in unit.files:
            text += _LOAD.format(name=file.name, table=file.table)
    return {form.script: text, PROPERTIES: replace(found, database=database).text()}
