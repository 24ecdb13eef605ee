"""What changed in outputs since they were loaded, and says nothing of what was loaded."""

from pathlib import Path

import pyarrow as pa
import pytest
from support.calls import load, verify
from support.small_jobs import csv_job

from cpexport.errors import SinkError
from cpexport.verification import batch_check
from cpexport.verification.diff import whole

PIPELINE = "CellProfiler Pipeline: http://www.cellprofiler.org\\nVersion:3\\n"


def job(folder: Path, number: int, time: str) -> None:
    """A job of one image set as ExportToDatabase leaves it for MySQL: it writes SETUP.SQL anew."""
    folder.mkdir(exist_ok=True)
    name = f"SQL_{number}_{number}_Image.CSV"
    (folder / name).write_text(f'{number},"{number}.tif"\n')
    (folder / "SQL_SETUP.SQL").write_text(
        "CREATE TABLE Per_Image (\nImageNumber INTEGER,\nImage_FileName_DNA VARCHAR(255),\n"
        "PRIMARY KEY (ImageNumber)) ENGINE=InnoDB;\n\n"
        "INSERT INTO Per_Experiment (CellProfiler_Version,Run_Timestamp) "
        f"VALUES ('3.1.9','{time}');\n"
        f"LOAD DATA LOCAL INFILE '{name}' REPLACE INTO TABLE Per_Image\n"
    )


def test_jobs_of_one_folder_are_the_same_though_later_ones_wrote_setup_sql_anew(
    tmp_path: Path,
) -> None:
    folder, to = tmp_path / "outputs", f"sqlite:///{tmp_path / 'screen.sqlite'}"
    job(folder, 1, "2020-01-01T00:00:01")
    load([folder], to)
    job(folder, 2, "2020-01-01T00:00:02")
    load([folder], to)
    job(folder, 3, "2020-01-01T00:00:03")
    load([folder], to)
    found = verify([folder], to)

    assert (found.differences, found.verified, found.is_complete) == ((), 3, True)


def test_a_load_that_widens_a_column_meanwhile_ends_verify_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
    first = csv_job(tmp_path / "first", {1: {"Metadata_Site": 1}})
    second = csv_job(tmp_path / "second", {2: {"Metadata_Site": "left"}})
    load([first], to)

    def load_then_whole(
        parts: list[pa.RecordBatch], schema: pa.Schema, *, infinite: bool
    ) -> pa.Table:
        load([second], to)
        return whole(parts, schema, infinite=infinite)

    monkeypatch.setattr(batch_check, "whole", load_then_whole)

    with pytest.raises(SinkError, match="a load changed its tables while they were compared"):
        verify([first], to)
