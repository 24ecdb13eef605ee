"""The contract of destinations: what every sink must do; the tests of each kind subclass it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from support.decoded_jobs import Job, job, put, put_as_prepared
from support.fixtures import unpacked

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NUMBER,
    REAL,
    RELATIONSHIP,
    TABLE_NUMBER,
    TEXT,
)
from cpexport.cellprofiler.image_identity import Identities
from cpexport.errors import CollisionError, SinkError
from cpexport.imagesets import ImageSets
from cpexport.loading.succession import Consent, Succession
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Count
from cpexport.sinks.registry import open_sink
from cpexport.sinks.sql.table_store import TableStore
from cpexport.sinks.summary import Summary
from cpexport.tables.layout import RELATIONSHIPS, Layout
from cpexport.tables.options import TableOptions

COMPUTED = "Per_Well_avg"


def noted(sink: Sink) -> dict[str, str]:
    """The sink's metadata, without the entry for Per_Experiment's row, which any batch may set."""
    return {
        name: value for name, value in sink.ledger.metadata().items() if name != "experiment_first"
    }


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[Job]:
    """Two batches of one run, image set 1 and image set 2, with their rows in many blocks."""
    scratch = tmp_path_factory.mktemp("scratch")
    home = unpacked("40_spreadsheet") / "outputs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cpexport.loading.decode._BLOCK", 500)
        decoded = [job(home / name, scratch) for name in ("P1-A01-1", "P1-A01-2")]
    blocks = {name: len(list(rows)) for name, rows in decoded[1].decoded.rows()}
    assert min(blocks["Nuclei"], blocks["Cells"], blocks[RELATIONSHIP]) > 2
    return decoded


class SinkContract:
    """Subclasses define where a fresh destination is, and how to read it with a plain driver."""

    def url(self, folder: Path) -> str:
        raise NotImplementedError

    def read(self, folder: Path, query: str) -> list[tuple[object, ...]]:
        """The rows of a query; none if the destination or the table does not exist."""
        raise NotImplementedError

    def write(self, folder: Path, statement: str) -> None:
        """Changes the destination as another program would."""
        raise NotImplementedError

    @pytest.fixture
    def sink(self, tmp_path: Path) -> Iterator[Sink]:
        with open_sink(self.url(tmp_path)) as opened:
            yield opened

    def counted(self, folder: Path, tables: Mapping[str, int]) -> dict[str, object]:
        counts = {}
        for table in tables:
            count = self.read(folder, f"SELECT count(*) FROM {table}")
            counts[table] = count[0][0] if count else 0
        return counts

    def test_before_the_first_batch_it_holds_nothing_and_makes_nothing(
        self, sink: Sink, tmp_path: Path
    ) -> None:
        sink.prepare({IMAGE: {"Metadata_Well": TEXT}})

        assert sink.ledger.read().entries == ()
        assert sink.layout().columns == ()
        assert sink.ledger.metadata() == {}
        assert len(sink.ledger.identities(ImageSets.parse("1-9"))) == 0
        assert self.read(tmp_path, "SELECT * FROM Per_Image") == []

    def test_its_address_says_what_it_is_and_no_password(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])
        address = sink.address(tmp_path)

        assert next(iter(address)) == "db_type"
        assert address["db_type"] in ("sqlite", "mysql")
        assert address.get("db_passwd", "") == ""

    def test_a_batch_and_its_entry_are_there_together(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        one, _ = jobs

        taken = put(sink, one)

        assert taken
        assert self.counted(tmp_path, one.counts()) == one.counts()
        ((path, sets),) = self.read(tmp_path, "SELECT path, image_sets FROM _cpexport_batches")
        assert (path, sets) == (one.entry.path, "1")
        row_counts = self.read(tmp_path, "SELECT table_name, row_count FROM _cpexport_tables")
        assert {str(table): count for table, count in row_counts} == one.counts()
        assert sink.ledger.read().entries == (one.entry,)
        assert list(sink.ledger.identities(ImageSets.parse("1")).texts()) == list(
            one.identities.texts()
        )

    def test_an_error_inside_a_batch_leaves_no_trace(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        one, other = jobs

        def fail(failing: Job) -> None:
            sink.prepare({**failing.decoded.types, "Spots": {"Intensity_New": REAL}})
            with sink.batch(failing.entry, failing.identities) as write:
                assert write
                for name, batch in failing.decoded.rows():
                    write(name, batch)
                raise InterruptedError

        with pytest.raises(InterruptedError):
            fail(one)
        first = self.counted(tmp_path, one.counts())
        put(sink, one)
        layout = sink.layout()
        with pytest.raises(InterruptedError):
            fail(other)

        assert set(first.values()) == {0}
        assert self.counted(tmp_path, one.counts()) == one.counts()
        assert sink.ledger.read().entries == (one.entry,)
        assert sink.layout() == layout
        assert put(sink, other)

    def test_rows_that_come_twice_are_refused_with_their_batch(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        one, other = jobs
        put(sink, one)
        sink.prepare(other.decoded.types)

        def twice() -> None:
            with sink.batch(other.entry, other.identities) as write:
                assert write
                for name, batch in other.decoded.rows():
                    rows = batch.read_all()
                    write(name, rows.to_reader())
                    if name == "Nuclei":
                        write(name, rows.to_reader())

        with pytest.raises(SinkError):
            twice()

        assert self.counted(tmp_path, one.counts()) == one.counts()
        assert sink.ledger.read().entries == (one.entry,)

    @pytest.mark.parametrize("lost", ["Per_Cells", "Per_Image", "Per_Relationships"])
    def test_a_batch_whose_rows_do_not_arrive_is_refused(
        self,
        sink: Sink,
        jobs: list[Job],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        lost: str,
    ) -> None:
        put(sink, jobs[0])
        tables: TableStore = sink._tables  # type: ignore[attr-defined]
        append = tables.append

        def leave_out(
            layout: Layout, table: str, names: list[str], blocks: Iterable[pa.RecordBatch]
        ) -> None:
            kept = [
                block.slice(0, block.num_rows - 1) if table == lost else block for block in blocks
            ]
            append(layout, table, names, iter(kept))

        monkeypatch.setattr(tables, "append", leave_out)
        sink.prepare(jobs[1].decoded.types)
        with pytest.raises(SinkError, match=f"\\d+ of \\d+ rows of .* inserted into {lost}"):
            put_as_prepared(sink, jobs[1])

        assert [str(entry.loaded) for entry in sink.ledger.read().entries] == ["1"]
        assert self.counted(tmp_path, jobs[0].counts()) == jobs[0].counts()

    def test_a_batch_of_which_a_table_is_not_written_is_refused(
        self, sink: Sink, jobs: list[Job], tmp_path: Path
    ) -> None:
        put(sink, jobs[0])
        sink.prepare(jobs[1].decoded.types)

        def write_all_but_cells() -> None:
            with sink.batch(jobs[1].entry, jobs[1].identities) as write:
                assert write
                for name, rows in jobs[1].decoded.rows():
                    if name != "Cells":
                        write(name, rows)

        with pytest.raises(SinkError, match=r"0 of \d+ rows of .* inserted into Per_Cells"):
            write_all_but_cells()

        assert [str(entry.loaded) for entry in sink.ledger.read().entries] == ["1"]
        assert self.counted(tmp_path, jobs[0].counts()) == jobs[0].counts()

    def test_a_batch_whose_entry_has_rows_in_no_table_is_refused(
        self, sink: Sink, jobs: list[Job]
    ) -> None:
        """As when a server shows only some of the columns in its ledger."""
        counts = {**jobs[0].entry.counts, "Per_Spots": Count(5)}
        with pytest.raises(SinkError, match=r"0 of 5 rows of .* inserted into Per_Spots"):
            put(sink, replace(jobs[0], entry=replace(jobs[0].entry, counts=counts)))

        assert sink.ledger.read().entries == ()

    def test_an_entry_of_image_sets_without_rows_is_refused(
        self, sink: Sink, jobs: list[Job]
    ) -> None:
        sink.prepare(jobs[0].decoded.types)

        def enter_alone() -> None:
            with sink.batch(replace(jobs[0].entry, counts={}), jobs[0].identities) as write:
                assert write

        with pytest.raises(SinkError, match=r"0 of 1 rows of .* inserted into Per_Image"):
            enter_alone()

        assert sink.ledger.read().entries == ()

    def test_rows_that_no_table_takes_are_refused(self, sink: Sink, jobs: list[Job]) -> None:
        put(sink, jobs[0])
        (cells,) = (p for n, p in jobs[1].decoded.files if n == "Cells")

        def write_strangers() -> None:
            with sink.batch(jobs[1].entry, jobs[1].identities) as write:
                assert write
                for name, rows in jobs[1].decoded.rows():
                    write(name, rows)
                with pa.OSFile(str(cells)) as file, pa.ipc.open_stream(file) as rows:
                    write("Strangers", rows)

        with pytest.raises(SinkError, match=r"0 of \d+ rows of .* inserted into Per_Strangers"):
            write_strangers()

        assert [str(entry.loaded) for entry in sink.ledger.read().entries] == ["1"]

    def test_a_batch_that_is_there_is_not_taken_again(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])

        taken = put(sink, jobs[0])

        assert not taken
        assert self.counted(tmp_path, jobs[0].counts()) == jobs[0].counts()
        assert sink.ledger.read().entries == (jobs[0].entry,)

    def test_a_batch_that_is_refused_leaves_no_column_in_the_layout_alone(
        self, sink: Sink, jobs: list[Job]
    ) -> None:
        """Who refuses it may have looked at the layout meanwhile."""
        put(sink, jobs[0])
        newer = jobs[0].again("newer", +1)

        def refuse(_: object) -> None:
            assert any(column.feature == "New_Feature" for column in sink.layout().columns)
            raise CollisionError(sink.name, "it is refused", "leave it out")

        sink.prepare({IMAGE: {"New_Feature": REAL}})
        with pytest.raises(CollisionError), sink.batch(newer.entry, newer.identities, refuse):
            pass

        columns = {c.name for c in sink.layout().columns if c.object == IMAGE}
        assert columns <= {*sink.tables()["Per_Image"].columns}
        assert put(sink, newer)

    def test_a_newer_batch_takes_the_place_of_an_older_one(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])
        newer = jobs[0].again("newer", +1)

        taken = put(sink, newer)

        assert taken
        assert self.counted(tmp_path, newer.counts()) == newer.counts()
        old, new = sink.ledger.read().entries
        assert (str(old.loaded), str(new.loaded)) == ("", "1")

    def test_the_summary_is_that_of_all_entries_whatever_happened_to_them(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        """A load goes on from the summary that the last one stored."""

        def whole(sink: Sink) -> tuple[object, ...]:
            ledger = sink.ledger.read()
            last = Summary().with_entries(sink.ledger.summary().last, ledger.entries)
            assert (ledger.loaded, ledger.pipelines) == (last.loaded, last.pipelines)
            assert ledger.settled == frozenset(sink.ledger.settled_among(ledger.settled))
            signatures = pa.chunked_array(sink.ledger.settled_signatures(), pa.string())
            assert ledger.settled == frozenset(signatures.to_pylist())
            return last.state, last.loaded, dict(last.csv_tables), last.rows, last.group_tags

        def summed(sink: Sink) -> tuple[object, ...]:
            found = sink.ledger.summary()
            return found.state, found.loaded, dict(found.csv_tables), found.rows, found.group_tags

        put(sink, jobs[0])
        with sink.exclusive() as changes:
            changes.set_summary(sink.ledger.summary())
        put(sink, jobs[1])
        with open_sink(self.url(tmp_path)) as second:
            assert summed(second) == summed(sink) == whole(sink)
            assert second.ledger.added() == jobs[1].entry.loaded
            assert [e.signature for e in second.ledger.entries(second.ledger.summary().last)] == []
        put(sink, jobs[0].again("newer", +1))
        assert summed(sink) == whole(sink)
        assert sink.ledger.added() is None
        assert [e.signature for e in sink.ledger.without_rows()] == [jobs[0].entry.signature]
        (holding,) = sink.ledger.holding(ImageSets.parse("1"))
        assert holding == sink.ledger.read().entries[2]
        with sink.exclusive() as changes:
            changes.delete_batch(jobs[1].entry)
        assert summed(sink) == whole(sink)

    def test_another_picture_under_a_number_that_is_there_is_refused(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        one, other = jobs
        put(sink, one)
        names = other.identities.columns["FileName_DNA"]
        identities = Identities(one.identities.numbers, {"FileName_DNA": names})
        imposter = one.again("imposter", +1)
        succession = Succession(sink, Consent())
        allow = partial(succession.check_loaded, imposter.batch, identities=identities)

        with (
            pytest.raises(CollisionError, match=r"image set 1 has different images in .* and in"),
            sink.batch(imposter.entry, identities, allow),
        ):
            pass

        assert self.counted(tmp_path, one.counts()) == one.counts()
        assert sink.ledger.read().entries == (one.entry,)

    def test_features_that_are_prepared_later_become_columns_and_tables(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        one, other = jobs
        put(sink, one)
        before = [column.name for column in sink.layout().columns]
        sink.prepare({"Nuclei": {"Intensity_New": REAL}, "Spots": {"AreaShape_Area": REAL}})

        put_as_prepared(sink, other)

        after = [column.name for column in sink.layout().columns]
        assert after[: len(before)] == before
        assert set(after) - set(before) == {
            "Nuclei_Intensity_New",
            "Spots_Number_Object_Number",
            "Spots_AreaShape_Area",
        }
        assert self.read(tmp_path, "SELECT count(Nuclei_Intensity_New) FROM Per_Nuclei") == [(0,)]
        assert self.read(tmp_path, "SELECT Spots_AreaShape_Area FROM Per_Spots") == []
        both = {t: n + other.counts()[t] for t, n in one.counts().items()}
        assert self.counted(tmp_path, one.counts()) == both

    def test_columns_can_be_added_batch_after_batch(self, sink: Sink, jobs: list[Job]) -> None:
        put(sink, jobs[0])

        for index, one in enumerate([jobs[1], jobs[0].again("newer", +1)]):
            sink.prepare({**one.decoded.types, "Spots": {f"Intensity_{index}": REAL}})
            put_as_prepared(sink, one)

        names = [column.name for column in sink.layout().columns if column.object == "Spots"]
        assert names == ["Spots_Number_Object_Number", "Spots_Intensity_0", "Spots_Intensity_1"]

    def test_a_column_that_has_to_become_text_keeps_its_numbers(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])
        query = "SELECT Image_Metadata_Site FROM Per_Image WHERE ImageNumber = 1"
        before = self.read(tmp_path, query)

        sink.prepare({IMAGE: {"Metadata_Site": TEXT}})
        put_as_prepared(sink, jobs[1])

        assert before == [(1,)]
        assert self.read(tmp_path, query) == [("1",)]

    def test_image_columns_are_read_and_replaced_by_number(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[1])
        put(sink, jobs[0])

        columns = pa.Table.from_batches(sink.read(IMAGE, ["Group_Index", "No_Such"]))
        with sink.exclusive() as changes:
            changes.renumber({IMAGE_NUMBER: pa.array([2]), "Group_Index": pa.array([77])})

        assert columns[IMAGE_NUMBER].to_pylist() == [1, 2]
        assert columns.column_names == [IMAGE_NUMBER, "Group_Index"]
        found = self.read(tmp_path, "SELECT Image_Group_Index FROM Per_Image ORDER BY ImageNumber")
        assert found == [(columns["Group_Index"][0].as_py(),), (77,)]

    def test_rows_are_read_as_they_were_written_in_order_of_key(
        self, sink: Sink, jobs: list[Job]
    ) -> None:
        for one in reversed(jobs):
            put(sink, one)
        given = {
            name: pa.concat_tables(
                part.read_all() for one in jobs for of, part in one.decoded.rows() if of == name
            )
            for name in ("Nuclei", "Cells")
        }

        for name, wanted in given.items():
            found = pa.Table.from_batches(sink.read(name))
            features = [f for f in wanted.column_names if f in found.column_names]
            assert found.column_names[:2] == [IMAGE_NUMBER, NUMBER]
            assert len(features) == found.num_columns > 80
            for feature in features:
                ours, theirs = (np.array(table[feature]) for table in (found, wanted))
                assert np.array_equal(ours, theirs, equal_nan=True), feature
        (wanted,) = (p.read_all() for n, p in jobs[1].decoded.rows() if n == RELATIONSHIP)
        read = pa.Table.from_batches(sink.read(RELATIONSHIP, image_sets=ImageSets.parse("2")))
        assert read.schema == RELATIONSHIPS
        assert sorted(map(str, read.to_pylist())) == sorted(map(str, wanted.to_pylist()))

    def test_no_rows_are_a_batch_without_rows(self, sink: Sink, jobs: list[Job]) -> None:
        put(sink, jobs[0])

        for sets in ("", "7-9"):
            (rows_read,) = sink.read("Nuclei", ["AreaShape_Area"], ImageSets.parse(sets))
            assert rows_read.num_rows == 0
            assert rows_read.schema.types == [INTEGER, INTEGER, REAL]

    def test_what_is_noted_stays_until_the_next_batch(self, sink: Sink, jobs: list[Job]) -> None:
        put(sink, jobs[0])
        with sink.exclusive() as changes:
            changes.set_metadata({"groups": "mine"})
        metadata = noted(sink)
        put(sink, jobs[1])

        assert metadata == {"groups": "mine"}
        assert noted(sink) == {}

    def test_wells_that_were_wanted_outlast_batches(self, sink: Sink, jobs: list[Job]) -> None:
        put(sink, jobs[0])
        with sink.exclusive() as changes:
            changes.set_metadata({"wells": "mean", "groups": "mine"})

        put(sink, jobs[1])

        assert noted(sink) == {"wells": "mean"}
        assert sink.capabilities.max_columns >= 700

    def test_what_is_done_alone_is_done_together_or_not_at_all(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])

        def fail() -> None:
            with sink.exclusive() as changes:
                changes.renumber({IMAGE_NUMBER: pa.array([1]), "Group_Index": pa.array([77])})
                changes.set_metadata({"groups": "mine"})
                raise InterruptedError

        with pytest.raises(InterruptedError):
            fail()

        assert noted(sink) == {}
        assert self.read(tmp_path, "SELECT Image_Group_Index FROM Per_Image") != [(77,)]

    def test_a_computed_table_is_replaced_wholly(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])
        for name, values in (("one", [1.5, None]), ("other", [2.5])):
            table = sa.Table(COMPUTED, sa.MetaData(), sa.Column(name, sa.REAL))
            with sink.exclusive() as changes:
                changes.write_derived_table(table, pa.table({name: pa.array(values, REAL)}))

        assert self.read(tmp_path, f"SELECT * FROM {COMPUTED}") == [(2.5,)]
        assert put(sink, jobs[1])

    def test_a_computed_table_does_not_replace_what_others_made(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])
        self.write(tmp_path, f"CREATE TABLE {COMPUTED} (mine INTEGER)")
        table = sa.Table(COMPUTED, sa.MetaData(), sa.Column("one", sa.REAL))

        with (
            pytest.raises(SinkError, match=f"{COMPUTED} that cpexport did not create"),
            sink.exclusive() as changes,
        ):
            changes.write_derived_table(table, pa.table({"one": pa.array([1.5])}))

        assert self.read(tmp_path, f"SELECT count(mine) FROM {COMPUTED}") == [(0,)]

    def test_a_run_is_described_in_place_of_what_it_was(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])
        for fields in ({"image_id": "ImageNumber", "plate_id": "Plate"}, {"image_id": "Number"}):
            with sink.exclusive() as changes:
                changes.describe({"Cells": fields}, "2026-11-22T12:00:00")

        assert self.read(tmp_path, "SELECT count(*) FROM Experiment") == [(1,)]
        found = self.read(tmp_path, "SELECT object_name, field, value FROM Experiment_Properties")
        assert found == [("Cells", "image_id", "Number")]
        times = self.read(tmp_path, "SELECT Modification_Timestamp FROM Per_Experiment")
        assert times == [("2026-11-22T12:00:00",)]

    def test_closing_and_opening_again_keeps_everything(
        self, tmp_path: Path, jobs: list[Job]
    ) -> None:
        with open_sink(self.url(tmp_path)) as sink:
            put(sink, jobs[0])
            layout, ledger, name = sink.layout(), sink.ledger.read(), sink.name

        with open_sink(self.url(tmp_path)) as sink:
            assert (sink.layout(), sink.ledger.read(), sink.name) == (layout, ledger, name)
            assert not put(sink, jobs[0])
            assert put(sink, jobs[1])

    def test_another_connection_sees_only_what_is_committed(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        one, other = jobs
        put(sink, one)
        sink.prepare(other.decoded.types)
        with open_sink(self.url(tmp_path)) as second:
            with sink.batch(other.entry, other.identities) as write:
                assert write
                for name, batch in other.decoded.rows():
                    write(name, batch)
                meanwhile = second.ledger.read().entries, self.counted(tmp_path, one.counts())
            afterwards = second.ledger.read().entries

        assert meanwhile == ((one.entry,), one.counts())
        assert afterwards == (one.entry, other.entry)

    def test_two_prefixes_share_a_destination_and_know_nothing_of_each_other(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])

        with open_sink(self.url(tmp_path), "Other_") as other:
            empty = other.ledger.read().entries, other.layout().columns
            put(other, jobs[1].under("Other_"))

        assert empty == ((), ())
        query = "SELECT ImageNumber FROM {}Per_Image"
        assert self.read(tmp_path, query.format("")) == [(1,)]
        assert self.read(tmp_path, query.format("Other_")) == [(2,)]
        assert sink.ledger.read().entries == (jobs[0].entry,)

    def test_two_runs_have_the_same_image_sets_and_know_nothing_of_each_other(
        self, tmp_path: Path, jobs: list[Job]
    ) -> None:
        one, other = jobs
        url, shape = self.url(tmp_path), TableOptions(numbered=True)
        with open_sink(url, "", shape, "a") as a, open_sink(url, "", shape, "b") as b:
            put(a, one)
            empty = (
                b.ledger.read().entries,
                len(b.ledger.identities(one.entry.loaded)),
                dict(b.ledger.runs()),
            )
            put(b, one)
            put(b, other)
            with a.exclusive() as changes:
                changes.set_metadata({"groups": "of a"})
            taken = put(a, one.again("newer", +1))
            after_a = noted(a), noted(b)
            with b.exclusive() as changes:
                changes.set_metadata({"groups": "of b"})
            metadata = (*after_a, noted(a), noted(b))
            ledgers = [[e.signature for e in sink.ledger.read().entries] for sink in (a, b)]
            names = a.ledger.runs()
            table_numbers = [
                set(pa.Table.from_batches(sink.read(name))[TABLE_NUMBER].to_pylist())
                for sink in (a, b)
                for name in (IMAGE, "Nuclei", RELATIONSHIP)
            ]

        assert table_numbers == [{1}, {1}, {1}, {2}, {2}, {2}]
        assert empty == ((), 0, {"a": 1})
        assert taken
        assert names == {"a": 1, "b": 2}
        assert metadata == ({}, {}, {}, {"groups": "of b"})
        assert ledgers == [
            [one.entry.signature, "newer"],
            [one.entry.signature, other.entry.signature],
        ]
        for table, count in one.counts().items():
            query = f"SELECT TableNumber, count(*) FROM {table} GROUP BY 1 ORDER BY 1"
            assert self.read(tmp_path, query) == [(1, count), (2, count + other.counts()[table])]
        with open_sink(url) as every:
            assert every.shape == shape
            assert len(every.ledger.read().entries) == 4
            numbers = pa.Table.from_batches(every.read(IMAGE, []))[IMAGE_NUMBER].to_pylist()
        assert numbers == [1, 1, 2]

    def test_a_run_gets_no_number_from_a_batch_that_fails(
        self, tmp_path: Path, jobs: list[Job]
    ) -> None:
        url, shape = self.url(tmp_path), TableOptions(numbered=True)
        with open_sink(url, "", shape, "a") as a, open_sink(url, "", shape, "b") as b:
            a.prepare(jobs[0].decoded.types)
            with pytest.raises(InterruptedError), a.batch(jobs[0].entry, jobs[0].identities):
                raise InterruptedError
            put(b, jobs[0])
            put(a, jobs[0])

            assert a.ledger.runs() == {"b": 1, "a": 2}

    def test_tables_that_another_made_meanwhile_in_another_shape_are_left_alone(
        self, tmp_path: Path, jobs: list[Job]
    ) -> None:
        url = self.url(tmp_path)
        with (
            open_sink(url) as plain,
            open_sink(url, "", TableOptions(numbered=True), "a") as numbered,
        ):
            put(numbered, jobs[0])

            with pytest.raises(SinkError, match="was created with --table-number, but no --tab"):
                put(plain, jobs[1])

            assert numbered.ledger.read().entries == (jobs[0].entry,)
        query = "SELECT TableNumber, ImageNumber FROM Per_Image"
        assert self.read(tmp_path, query) == [(1, 1)]
