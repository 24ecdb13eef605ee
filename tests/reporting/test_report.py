"""A report shows what SQL on the destination and `check` on the outputs show, and no more."""

import json
import re
import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.fixtures import Ran, extract, rows
from support.plate_screens import PlateScreen
from support.servers import Database
from support.small_jobs import h5_job

import cpexport
from cpexport.reporting.page import asset

Run = Callable[..., Ran]
ROOT = Path(__file__).parents[2]
SCREEN = PlateScreen(["P1", "P2", "P3", "P10"], 4, 6, per_job=48, lost=(1,), cut=(4,))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of this module: a screen of four plates, loaded twice."""
    home = SCREEN.write(tmp_path_factory.mktemp("screen"))
    cpexport.load(home / "outputs", home / "s.sqlite", wells="mean")
    cpexport.load(home / "outputs", home / "s.duckdb")
    return home


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder with the example's outputs."""
    home = tmp_path_factory.mktemp("example")
    extract(ROOT / "examples" / "screen.tar.xz", home)
    return home


class Reader(HTMLParser):
    """The elements of a page, its text, and the data of its script."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text, self.data = "", dict[str, Any]()
        self._within = ""
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._within = "data" if ("type", "application/json") in attrs else tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "data":
            self.data = json.loads(data)
        elif self._within not in ("script", "style"):
            self.text += data

    def values(self, metric: str) -> dict[tuple[str, str], float | None]:
        """A metric by plate and well."""
        (found,) = (one for one in self.data["metrics"] if one["t"] == metric)
        wells = [(plate["n"], well[0]) for plate in self.data["plates"] for well in plate["w"]]
        numbers = [None if v is None else v * 10.0 ** found["p"] for v in found["v"]]
        return dict(zip(wells, numbers, strict=True))

    def states(self) -> dict[str, int]:
        """The number of image sets on the plates by state."""
        total: dict[str, int] = {}
        for plate in self.data["plates"]:
            for well in plate["w"]:
                for piece in [well[1]] if isinstance(well[1], str) else well[1]:
                    state, _, sets = piece.partition("@")[0].rpartition(":")
                    word = self.data["states"][int(state or 0)]
                    count = len(cpexport.ImageSets.parse(sets))
                    total[word] = total.get(word, 0) + count
        return total


def asked(database: Path, query: str) -> list[tuple[Any, ...]]:
    if database.suffix == ".duckdb":
        with duckdb.connect(str(database), read_only=True) as db:
            return db.execute(query).fetchall()
    return rows(database, query)


class TestCounts:
    @pytest.mark.parametrize("name", ["s.sqlite", "s.duckdb"])
    def test_they_are_those_of_sql_on_the_destination(
        self, home: Path, tmp_path: Path, name: str
    ) -> None:
        out = tmp_path / "r.html"
        written = cpexport.report(to=home / name, batch=home / "Batch_data.h5", out=out)
        shown = Reader(out)

        plate, well = "Image_Metadata_Plate", "Image_Metadata_Well"
        for metric, value in {
            "Image sets": "count(*)",
            "Nuclei in the well": "sum(Image_Count_Nuclei)",
            "Nuclei per image set": "avg(Image_Count_Nuclei)",
            "ImageQuality_PowerLogLogSlope_DNA": "avg(Image_ImageQuality_PowerLogLogSlope_DNA)",
        }.items():
            query = f"SELECT {plate}, {well}, {value} FROM Per_Image GROUP BY 1, 2"
            by_sql = {(row[0], row[1]): row[2] for row in asked(home / name, query)}
            values = shown.values(metric)
            loaded = {key: value for key, value in values.items() if value}
            # Four digits of the largest mean, and all of a count.
            most = max(map(abs, by_sql.values()))
            exact = "per image set" not in metric and "Quality" not in metric
            assert loaded == pytest.approx(by_sql, rel=0, abs=0 if exact else most * 5e-4)
            assert len(values) == 4 * 24
        assert written.complete == asked(home / name, "SELECT count(*) FROM Per_Image")[0][0]

    @pytest.mark.parametrize("kind", ["parquet", "mariadb"])
    def test_all_kinds_of_destinations_give_the_same_page(
        self, small: Path, tmp_path: Path, kind: str, databases: Callable[[str], Database]
    ) -> None:
        other = databases(kind).url() if kind == "mariadb" else f"parquet:{tmp_path}/p"
        (tmp_path / "layout.csv").write_text("Well,Compound\nA1,DMSO\nB1,taxol\n")
        pages = []
        for to in (other, f"sqlite:///{tmp_path}/s.sqlite"):
            cpexport.load(small / "screen" / "outputs", to, wells="mean")
            cpexport.annotate(tmp_path / "layout.csv", to)
            cpexport.report(
                small / "screen" / "outputs",
                to=to,
                out=tmp_path / "r.html",
                features="Count_*,avg_Nuclei_AreaShape_Area",
            )
            pages.append(Reader(tmp_path / "r.html"))

        assert pages[0].data == pages[1].data
        assert [one["v"] for one in pages[0].data["treatments"]] == [["DMSO", "taxol"]]
        assert len(pages[0].data["metrics"]) > 5

    def test_those_in_wells_are_those_of_per_well(self, home: Path, tmp_path: Path) -> None:
        out = tmp_path / "r.html"
        cpexport.report(to=home / "s.sqlite", out=out, features="Count_Cells")
        columns = "Image_Metadata_Plate, Image_Metadata_Well, sum_Image_Count_Cells"
        query = f"SELECT {columns} FROM Per_Well"

        values = Reader(out).values("Cells in the well")
        shown = {well: value for well, value in values.items() if value is not None}
        # Planned wells without an image set have no value, and are on the plate.
        assert len(values) >= len(shown) > 0
        assert shown == {(row[0], row[1]): row[2] for row in rows(home / "s.sqlite", query)}

    def test_columns_of_tables_of_wells_can_be_chosen(self, home: Path, tmp_path: Path) -> None:
        out, column = tmp_path / "r.html", "avg_Image_Intensity_MeanIntensity_DNA"
        cpexport.report(to=home / "s.sqlite", out=out, features=["avg_Image_Intensity_*"])
        names = "Image_Metadata_Plate, Image_Metadata_Well"
        by_sql = rows(home / "s.sqlite", f"SELECT {names}, {column} FROM Per_Well_avg")

        values = Reader(out).values(column)
        shown = {well: value for well, value in values.items() if value is not None}
        # Planned wells without an image set have no value, and are on the plate.
        assert len(values) >= len(shown) > 0
        assert shown == pytest.approx({(p, w): v for p, w, v in by_sql}, rel=0, abs=1e-4)


class TestStates:
    def test_they_are_those_of_check(self, home: Path, tmp_path: Path) -> None:
        out = tmp_path / "r.html"
        found = cpexport.check(home / "outputs", batch=home / "Batch_data.h5", report=out)
        states = Reader(out).states()

        assert states == {"complete": len(found.complete), "failed": 24, "missing": 48}
        assert states["failed"] + states["missing"] == len(found.missing)

    def test_a_failed_job_is_told_from_a_missing_one_and_from_a_complete_one(
        self, small: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "r.html"
        written = cpexport.report(small / "screen" / "outputs", out=out)
        shown = Reader(out)

        assert shown.states() == {"complete": 22, "failed": 1, "missing": 1}
        assert (written.planned, str(written.missing), written.exit_status) == (24, "9,24", 3)
        assert "1 image set failed: 9 (P1 B02 site 1)" in shown.text
        assert "Cells.csv is empty (0 bytes)" in shown.text
        (failed, missing) = shown.data["commands"].values()
        assert " -f 9 -l 9 -o " in failed
        assert " -f 24 -l 24 -o " in missing
        assert shown.data["files"][0]["9"] == ["P1_B02_s1_DNA.tif", "P1_B02_s1_ER.tif"]

    def test_an_edge_effect_and_an_outlying_well_are_named(
        self, home: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "r.html"
        to = home / "s.sqlite"
        cpexport.report(to=to, out=out, plate_format=24, positive="A01-D01", negative="A06-D06")
        text = Reader(out).text

        assert re.search(r"Nuclei per image set: wells at the edge .* on P3 \(-3\d\s%\)", text)
        assert "Nuclei per image set: far from the median of the plate in P2 D05 (9)" in text
        assert "Z\u2032" in text

    def test_plates_without_enough_controls_are_named(self, home: Path, tmp_path: Path) -> None:
        written = cpexport.report(
            to=home / "s.sqlite", out=tmp_path / "r.html", positive="A01", negative="Z99"
        )
        (note,) = [note for note in written.notes if "control wells" in note]

        assert "Z' needs two positive and two negative control wells on a plate" in note
        assert "P1 has 1 and 0" in note

    def test_all_runs_of_a_destination_are_shown(self, tmp_path: Path) -> None:
        to, out = tmp_path / "runs.sqlite", tmp_path / "all.html"
        for run, sets in (("a", (1, 2)), ("b", (1, 2, 3))):
            h5_job(tmp_path / run / "1.h5", {number: {"Count_N": 2.0} for number in sets})
        cpexport.load([tmp_path / "a", tmp_path / "b"], to, table_number=True, report=out)
        one = cpexport.report(to=to, run="b", out=tmp_path / "one.html")
        shown = Reader(out)

        assert [plate["n"] for plate in shown.data["plates"]] == ["a \u00b7 P1", "b \u00b7 P1"]
        assert list(shown.values("N in the well").values()) == [4.0, 6.0]
        assert (one.plates, one.complete) == (1, 3)


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</script><svg onload=alert(3)>",
    "\u041f\u043b\u0430\u0442\u0430 \u677f\u202e \U0001f9ea'&amp;",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on plates, wells, files and counts whose names are HTML."""
    home = tmp_path_factory.mktemp("hostile")
    images: dict[int, dict[str, object]] = {}
    for name in HOSTILE:
        for well in ("A1", "b02", "AF48", "17", "<b>"):
            values = {"Metadata_Plate": name, "Metadata_Well": well, "Count_<i>": 7.0}
            images[len(images) + 1] = {**values, "FileName_DNA": f"<u>{name[:9]}.tif"}
    h5_job(home / "outputs" / "<b>1.h5", images)
    cpexport.load(home / "outputs", home / "s.sqlite")
    cpexport.report(home / "outputs", to=home / "s.sqlite", out=home / "r.html", plate_format=96)
    return home / "r.html"


class TestHostileNames:
    def test_they_are_text_on_the_page(self, hostile: Path) -> None:
        shown = Reader(hostile)

        assert shown.tags.count("script") == 2
        assert not {"img", "u", "iframe", "base", "link"} & {*shown.tags}
        assert all(name in shown.text for name in HOSTILE[:3])
        assert {plate["n"] for plate in shown.data["plates"]} > {*HOSTILE[:3]}
        assert "\u202e" not in hostile.read_text("utf-8")

    def test_wells_without_a_position_are_shown_and_counted(self, hostile: Path) -> None:
        shown = Reader(hostile)

        assert "12 wells with names that are no position on a plate of 96 wells" in shown.text
        names = [well[0] for well in shown.data["plates"][0]["w"]]
        assert names == ["A01", "B02", "17", "<b>", "AF48"]


class TestSize:
    def test_twenty_plates_of_384_wells_fit_into_a_megabyte_and_a_half(
        self, tmp_path: Path
    ) -> None:
        screen = PlateScreen(["BR0001", "BR0002"], 16, 24, sites=1, per_job=384).write(tmp_path)
        cpexport.load(screen / "outputs", tmp_path / "s.sqlite")
        out, fixed = tmp_path / "r.html", len(asset("report.js") + asset("report.css"))
        cpexport.report(screen / "outputs", to=tmp_path / "s.sqlite", out=out)
        metrics = len(Reader(out).data["metrics"])

        # Twenty plates have 13 features at most, and these have fewer.
        by_plate = (out.stat().st_size - fixed) / 2
        values = len(json.dumps(Reader(out).data["metrics"])) / 2 / metrics
        assert metrics == 8
        assert 20 * (by_plate + (15 - metrics) * values) + fixed < 1_500_000

    def test_features_that_do_not_fit_are_counted(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for limit in ("_MOST_FEATURES", "_FEWEST"):
            monkeypatch.setattr(f"cpexport.reporting.metrics.{limit}", 3)
        cpexport.report(to=home / "s.duckdb", out=tmp_path / "r.html")
        shown = Reader(tmp_path / "r.html")

        assert "2 features are left out" in shown.text
        # Image sets, two for each of two counts, and the feature that says the most about focus.
        assert len(shown.data["metrics"]) == 1 + 2 * 2 + 1


class TestBadInput:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ({}, "name OUTPUTS, a destination"),
            ({"outputs": "o", "features": "Count_*"}, "--features needs --to"),
            ({"to": "s.sqlite", "plate_format": 95}, "--plate-format is one of 6, 12"),
            ({"to": "s.sqlite", "positive": "A01"}, "--positive and --negative need each other"),
            ({"to": "s.sqlite", "positive": "1A", "negative": "A1"}, "'1A' is neither a well"),
            ({"to": "s.sqlite", "features": "Count_Nuclie"}, "Did you mean Count_Nuclei"),
            ({"to": "s.sqlite", "plate": "Metadata_Plat"}, "Did you mean Metadata_Plate"),
            ({"to": "s.sqlite", "run": "a"}, "no run a"),
            ({"to": "s.sqlite", "out": "s.sqlite"}, "cpexport did not write it"),
            ({"to": "s.sqlite", "out": "none/r.html"}, "its folder does not exist"),
        ],
    )
    def test_is_refused_in_one_line_and_nothing_is_written(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, words: dict[str, Any], said: str
    ) -> None:
        monkeypatch.chdir(home)
        with pytest.raises(cpexport.UsageError, match=re.escape(said)):
            cpexport.report(**words)

        assert not (home / "report.html").exists()

    def test_a_destination_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(cpexport.SinkError, match="does not exist"):
            cpexport.report(to=tmp_path / "none.sqlite", out=tmp_path / "r.html")

    def test_without_wells_it_says_how_to_name_them(self, tmp_path: Path) -> None:
        values = {"Metadata_Plate": None, "Metadata_Well": None, "Metadata_Position": "B02"}
        h5_job(tmp_path / "o" / "1.h5", {n: {**values, "Count_N": 3.0} for n in (1, 2)})
        cpexport.load(tmp_path / "o", tmp_path / "s.sqlite")
        none, named = tmp_path / "none.html", tmp_path / "named.html"
        cpexport.report(tmp_path / "o", to=tmp_path / "s.sqlite", out=none)
        written = cpexport.report(to=tmp_path / "s.sqlite", well="Metadata_Position", out=named)

        assert "name other features with --plate and --well" in Reader(none).text
        assert "1 batch: 1 complete" in Reader(none).text
        assert (written.plates, written.wells) == (1, 1)

    def test_outputs_without_a_batch_file_say_what_to_do(self, tmp_path: Path) -> None:
        h5_job(tmp_path / "o" / "1.h5", {1: {}})
        written = cpexport.report(tmp_path / "o", out=tmp_path / "r.html")

        assert written.planned is None
        assert "name it with --batch" in written.notes[0]
        assert written.notes[0] in Reader(tmp_path / "r.html").text

    def test_a_destination_that_is_written_meanwhile_is_read_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        h5_job(tmp_path / "o" / "1.h5", {1: {"Count_N": 1.0}})
        h5_job(tmp_path / "later" / "2.h5", {2: {"Count_N": 1.0}})
        cpexport.load(tmp_path / "o", tmp_path / "s.sqlite")
        from cpexport.reporting import build

        read, reads = build._of_destination, list[int]()

        def and_load(*words: Any) -> Any:
            data = read(*words)
            if not reads:
                cpexport.load(tmp_path / "later", tmp_path / "s.sqlite")
            reads.append(data.read)
            return data

        monkeypatch.setattr(build, "_of_destination", and_load)
        written = cpexport.report(to=tmp_path / "s.sqlite", out=tmp_path / "r.html")

        assert reads == [1, 2]
        assert written.complete == 2


class TestBatches:
    def test_features_that_some_lack_are_named(self, tmp_path: Path) -> None:
        for number, more in ((1, {"Intensity_B": 1.0}), (2, {}), (3, {"Intensity_B": 2.0})):
            values = {"Intensity_A": 1.0, **more}
            h5_job(tmp_path / "o" / f"{number}.h5", {number: values})
        cpexport.load(tmp_path / "o", tmp_path / "s.sqlite")
        cpexport.report(to=tmp_path / "s.sqlite", out=tmp_path / "r.html")
        lacks = "2.h5 lacks 1 feature of Image that other batches have: Intensity_B"

        assert lacks in Reader(tmp_path / "r.html").text


class TestFiles:
    def test_a_report_is_replaced_whole_or_not_at_all(self, home: Path, tmp_path: Path) -> None:
        out = tmp_path / "r.html"
        cpexport.report(home / "outputs", batch=home / "Batch_data.h5", out=out)
        before = out.read_bytes()

        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                cpexport.report(home / "outputs", batch=home / "Batch_data.h5", out=out)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

        assert out.read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["r.html"]

    def test_the_command_says_what_it_wrote(self, small: Path, cpexport: Run) -> None:
        ran = cpexport("report", "screen/outputs", "--mqc", cwd=small)
        files = "report.html, cpexport_mqc.html, cpexport_mqc.json"

        assert ran.out == f"{files}: 2 plates, 12 wells, 22 of 24 image sets complete\n"
        assert (ran.status, ran.err) == (3, "")
        table = json.loads((small / "cpexport_mqc.json").read_text())
        assert table["data"]["P1"] == {"state_complete": 11, "state_failed": 1}

    def test_what_is_missing_is_said_without_a_plan(self, tmp_path: Path, cpexport: Run) -> None:
        home = PlateScreen(["P1"], sites=1, per_job=32, lost=(1,)).write(tmp_path / "screen")
        cpexport("load", home / "outputs", "--to", "parquet:x", "--quiet")
        ran = cpexport("report", "--to", "parquet:x")

        assert ran.status == 3
        assert ran.out == "report.html: 1 plate, 64 wells, 64 image sets complete, 32 missing\n"

    def test_a_load_by_another_program_is_no_obstacle(self, home: Path, tmp_path: Path) -> None:
        out = tmp_path / "r.html"
        with closing(sqlite3.connect(home / "s.sqlite")) as db:
            db.execute("BEGIN")
            db.execute("SELECT * FROM Per_Image LIMIT 1").fetchone()
            written = cpexport.report(to=home / "s.sqlite", out=out)

        assert written.plates == 4
