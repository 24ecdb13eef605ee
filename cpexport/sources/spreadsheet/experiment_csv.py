"""Reads Experiment.csv: a job's metadata about the whole run, with a long pipeline in one field."""

import csv
import io
import threading

from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.sources.spreadsheet.csv_bytes import whole_lines
from cpexport.sources.spreadsheet.csv_file import CsvFile
from cpexport.sources.spreadsheet.csv_header import EXPERIMENT_HEADER

_LIMIT = threading.Lock()


def read_experiment(file: CsvFile) -> dict[str, str]:
    """Returns the keys and values of an Experiment.csv; if the file was cut off, without the last.

    Raises:
        SourceError: the file cannot be read, or does not fit in memory.
    """
    body, _ = whole_lines(file.path)
    text = body.decode("utf-8-sig", "replace")
    # All threads share the limit.
    with _LIMIT:
        before = csv.field_size_limit(max(len(text), 1) + 1)
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=file.delimiter))
        except csv.Error as error:
            raise SourceError(file.path, f"not CSV: {error}", AS_WRITTEN) from error
        finally:
            csv.field_size_limit(before)
    if text.count('"') % 2:
        rows = rows[:-1]
    key, value = (file.names.index((None, name)) for name in EXPERIMENT_HEADER)
    width = len(file.names)
    return {
        row[key]: row[value].replace("\r\n", "\n")
        for row in rows[file.header_lines :]
        if len(row) == width and row[key]
    }
