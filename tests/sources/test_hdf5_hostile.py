"""Measurement files that CellProfiler never writes cost their batch, and little memory."""

import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.fixtures import rows
from support.small_jobs import h5_job

from cpexport import load
from cpexport.cellprofiler.features import LONGEST_TEXT
from cpexport.cellprofiler.hdf5 import link_check
from cpexport.cellprofiler.hdf5.storage_check import NeverWrittenError, check_texts

AREA, PLATE = "Image/AreaOccupied_AreaOccupied_Nuclei", "Image/Metadata_Plate"
TEXT = h5py.string_dtype()
Change = Callable[[h5py.File, h5py.Group], object]


def data(run: h5py.Group, feature: str, *shape: int, **how: object) -> h5py.Dataset:
    """A new dataset in place of a feature's values."""
    del run[f"{feature}/data"]
    return run[feature].create_dataset("data", shape, **how)


def same_values(run: h5py.Group) -> None:
    feature = run.create_group("Nuclei/AreaShape_Area")
    numbers = run["Image/ImageNumber/index"][:, 0].tolist()
    feature["index"] = np.array([(number, 0, 10) for number in numbers])
    feature["data"] = np.arange(10.0)


def long_texts(run: h5py.Group, **how: object) -> None:
    data(run, PLATE, 2, dtype=TEXT, **how)[0] = "x" * (LONGEST_TEXT + 1)


def user_filter(run: h5py.Group) -> None:
    del run[f"{AREA}/data"]
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((2,))
    creation.set_filter(32123, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((2,))
    h5py.h5d.create(run[AREA].id, b"data", h5py.h5t.NATIVE_DOUBLE, space, creation)


def packed(run: h5py.Group, content: bytes, **how: object) -> None:
    """One chunk of two numbers, with bytes in place of what the filters would make of them."""
    data(run, AREA, 2, dtype="f8", chunks=(2,), **how).id.write_direct_chunk((0,), content)


def nameless(run: h5py.Group) -> None:
    run["Image"].id.move(b"AreaOccupied_AreaOccupied_Nuclei", b"A_\xff")


def committed_type(file: h5py.File, run: h5py.Group) -> None:
    file["type"] = np.dtype("f8")
    data(run, AREA, 2, dtype=file["type"])


def large_numbers(run: h5py.Group) -> None:
    for feature in run["Image"].values():
        feature["index"][:, 0] += 10**15


CASES: dict[str, tuple[Change, str]] = {
    "rows": (lambda f, r: data(r, AREA, 10**12, dtype="f8", chunks=(1024,)), "cannot have 1000000"),
    "index": (
        lambda f, r: (
            r.__delitem__(f"{AREA}/index"),
            r[AREA].create_dataset("index", (10**12, 3), "i8", chunks=(1024, 3)),
        ),
        "cannot have 1000000",
    ),
    "texts": (lambda f, r: data(r, PLATE, 10**9, dtype="S99", chunks=(99,)), "cannot have 100000"),
    "chunk": (
        lambda f, r: data(r, AREA, 2, dtype="f8", maxshape=(None,), chunks=(1 << 24,)),
        "chunks of more than 64 MB",
    ),
    "long text": (lambda f, r: long_texts(r), "has a text of 16 MB; at most 16 MB"),
    "long text in chunks": (
        lambda f, r: long_texts(r, chunks=(1024,), maxshape=(None,), compression="gzip"),
        "has a text of 16 MB; at most 16 MB",
    ),
    "wide text": (lambda f, r: data(r, PLATE, 2, dtype="S20000000"), "has values of 19 MB"),
    "filter": (lambda f, r: user_filter(r), "needs filter 32123"),
    "packed by n-bit": (
        lambda f, r: data(r, AREA, 2, dtype="f8", chunks=(2,), scaleoffset=2),
        "needs filter 6",
    ),
    "short chunk": (
        lambda f, r: packed(r, zlib.compress(bytes(3)), compression=4),
        "has a chunk of 3 bytes in place of 16",
    ),
    "chunk of gigabytes": (
        lambda f, r: packed(r, zlib.compress(bytes(1 << 26)), compression=4),
        "has a chunk of 21 bytes in place of 16",
    ),
    "short chunk of LZF": (
        lambda f, r: packed(r, b"\2abc", compression="lzf"),
        "has a chunk of 3 bytes in place of 16",
    ),
    "long chunk of LZF": (
        lambda f, r: packed(r, b"\0a" + b"\xe0\xff\0" * 999, compression="lzf"),
        "in place of 16",
    ),
    "damaged chunk of LZF": (
        lambda f, r: packed(r, b"\x20\7", compression="lzf"),
        "has a damaged chunk",
    ),
    "short chunk of texts": (
        lambda f, r: data(
            r, PLATE, 2, dtype=TEXT, chunks=(2,), compression=4
        ).id.write_direct_chunk((0,), zlib.compress(bytes(3))),
        "has a chunk of 3 bytes in place of 32",
    ),
    "chunk of LZF": (
        lambda f, r: data(r, AREA, 2, dtype="f8", chunks=(2,), compression="lzf", shuffle=True),
        "",
    ),
    "checksum": (
        lambda f, r: data(
            r, AREA, 2, dtype="f8", chunks=(2,), compression=4, shuffle=True, fletcher32=True
        ).__setitem__(slice(None), [0.25, 0.5]),
        "",
    ),
    "names": (lambda f, r: nameless(r), "it has names that are not UTF-8"),
    "type": (committed_type, "a type that is stored apart"),
    "references": (lambda f, r: data(r, AREA, 2, dtype=h5py.ref_dtype), "neither numbers nor text"),
    "records": (lambda f, r: data(r, AREA, 2, dtype=[("a", "f8")]), "neither numbers nor text"),
    "lists": (lambda f, r: data(r, AREA, 2, dtype=h5py.vlen_dtype("i8")), "neither numbers nor"),
    "second name": (lambda f, r: r.__setitem__("Image/Again", r[AREA]), "is in 2 places"),
    "loop": (lambda f, r: r.__setitem__("Again", r), "is in 2 places"),
    "loop of links": (lambda f, r: r.__setitem__("Again", h5py.SoftLink("Again")), "is a link"),
    "loop of kinds": (
        lambda f, r: r.create_group("Relationship/1").__setitem__("a", r["Relationship"]),
        "is in 2 places",
    ),
    "same values": (
        lambda f, r: same_values(r),
        "gives the same values to several image sets",
    ),
    "numbers": (lambda f, r: large_numbers(r), "; the largest can be 999999999"),
    "run": (
        lambda f, r: data(r, "Experiment/Pipeline_Pipeline", 3, 5, dtype="f8"),
        "has the shape (3, 5)",
    ),
    "tags": (
        lambda f, r: r.create_group("Experiment/Metadata_GroupingTags").update(
            index=np.array([(0, 0, 1)]), data=np.array(["[" * 99_999], TEXT)
        ),
        "",
    ),
    "attributes": (lambda f, r: r["Image"].attrs.update({f"a{n}": n for n in range(500)}), ""),
    "version": (lambda f, r: data(r, "Experiment/CellProfiler_Version", 1, data=["9" * 5000]), ""),
}


def written(path: Path, change: Change, first: int) -> None:
    images = {n: {AREA.partition("/")[2]: 0.5} for n in (first, first + 1)}
    h5_job(path, images)
    with h5py.File(path, "r+") as file:
        change(file, file["Measurements/2026-11-22-12-00-00"])


@pytest.fixture(scope="module")
def left_out(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Why each of the files was left out of one load, by case; none of them stops the load."""
    run = tmp_path_factory.mktemp("hostile")
    for place, (name, (change, _)) in enumerate(CASES.items()):
        written(run / "run" / name / "m.h5", change, 2 * place + 1)
    h5_job(run / "run" / "good" / "m.h5", {999: {}})

    report = load(run / "run", f"sqlite:///{run}/a.sqlite", jobs=1)

    assert report.exit_status == 3
    numbers = rows(run / "a.sqlite", "SELECT ImageNumber FROM Per_Image ORDER BY 1")
    harmless = [2 * place + 1 for place, (_, says) in enumerate(CASES.values()) if not says]
    expected = sorted([*harmless, *(number + 1 for number in harmless), 999])
    assert numbers == [(number,) for number in expected]
    return {Path(left.path).name: left.reason for left in report.left_out}


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_cellprofiler_never_writes_is_left_out_by_name(
    name: str, left_out: dict[str, str]
) -> None:
    _, says = CASES[name]

    assert says in left_out.get(name, "")
    assert bool(says) == (name in left_out)


@pytest.mark.parametrize("how", [{}, {"chunks": (1000,), "compression": "gzip", "shuffle": True}])
def test_lengths_of_texts_are_added_up_before_any_is_read(
    tmp_path: Path, how: dict[str, object]
) -> None:
    """A file of a few megabytes, in which 500,000 texts refer to one."""
    with h5py.File(tmp_path / "a.h5", "w", libver="earliest") as file:
        one = file.create_dataset("one", (1,), TEXT)
        one[0] = "x" * 5000
        where = one.id.get_offset()
        many = file.create_dataset("many", (500_000,), TEXT, **how)
        many[:] = ""
        file.flush()
        reference = (tmp_path / "a.h5").read_bytes()[where : where + 16]
        if how:
            for first in range(0, 500_000, 1000):
                many.id.write_direct_chunk((first,), reference * 1000, filter_mask=0b11)
        else:
            place = many.id.get_offset()
    if not how:
        with (tmp_path / "a.h5").open("r+b") as stream:
            stream.seek(place)
            stream.write(reference * 500_000)

    with h5py.File(tmp_path / "a.h5") as file:
        assert file["many"][499_999] == b"x" * 5000
        with pytest.raises(NeverWrittenError, match=r"texts of 2,\d+ MB together"):
            check_texts(file["many"].id, 500_000)


def test_a_group_of_too_many_names_is_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_check, "MOST_MEMBERS", 10)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(11):
            file.create_group(f"run/F_{number}")

        with pytest.raises(NeverWrittenError, match="'/run' has more than 10 members"):
            link_check.members(file["run"].id)
