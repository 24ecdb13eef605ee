"""MultiQC takes both files that `cpexport report --mqc` writes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.small_jobs import h5_job

import cpexport


def test_multiqc_shows_the_report_and_the_table_of_plates(tmp_path: Path) -> None:
    program = shutil.which("multiqc")
    if program is None:
        pytest.skip("multiqc is not installed: pipx install multiqc")
    h5_job(tmp_path / "o" / "1.h5", {1: {"Count_Nuclei": 7.0}, 2: {"Count_Nuclei": 9.0}})
    cpexport.load(tmp_path / "o", tmp_path / "s.sqlite")
    (tmp_path / "in").mkdir()
    cpexport.report(to=tmp_path / "s.sqlite", out=tmp_path / "in" / "r.html", mqc=True)
    words = [program, "in", "--outdir", "out", "--no-version-check"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "cpexport_report" in ran.stderr + ran.stdout
    page = (tmp_path / "out" / "multiqc_report.html").read_text("utf-8")
    assert 'sandbox="allow-scripts"' in page
    assert "&lt;title&gt;s.sqlite" in page
    data = json.loads((tmp_path / "out" / "multiqc_data" / "multiqc_data.json").read_text())
    table = data["report_saved_raw_data"]["multiqc_cpexport_plates_table"]
    assert table["P1"]["median_0"] == 8
