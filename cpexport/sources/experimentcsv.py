"""Experiment.csv: what a job says of the whole run, a pipeline of many lines in one field."""

import csv
import io
import threading

from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.sources.csvbytes import whole_lines
from cpexport.sources.csvfile import CsvFile
from cpexport.sources.csvheader import EXPERIMENT_HEADER

_LIMIT = threading.Lock()


def read_experiment(file: CsvFile) -> dict[str, str]:
    """The keys and values of an Experiment.csv; the last, if the file was cut, is left out.

    Raises:
        SourceError: the file cannot be read, or does not fit in memory.
    """
    body, _ = whole_lines(file.path)
    text = body.decode("utf-8-sig", "replace")
    # The limit is one for all threads.
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
