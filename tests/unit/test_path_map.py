"""Paths of pictures become those of people's desks, and nothing else changes."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.fixtures import Ran, rewritten, rows, values_of

from cpexport.errors import UsageError
from cpexport.tables.path_map import PathMap, to_path, to_url

Case = Callable[[str], Path]
Copy = Callable[..., Path]
Run = Callable[..., Ran]
IMAGES = "/cluster/corpus/images"
PLACES = ("PathName_DNA", "FileName_DNA", "URL_DNA")
SEEN = f"SELECT {', '.join(f'Image_{place}' for place in PLACES)} FROM Per_Image"

name = st.text(
    st.characters(exclude_characters="/\\=", exclude_categories=["Cs", "Cc"]), min_size=1
).filter(lambda text: text.strip(" ."))
folders = st.lists(name, min_size=1, max_size=3)
posix = folders.map(lambda names: "/" + "/".join(names))
windows = st.tuples(st.sampled_from(["Z:", "\\\\nas\\share"]), folders).map(
    lambda parts: "\\".join([parts[0], *parts[1]])
)


class TestMapping:
    @given(posix, st.one_of(posix, windows), st.lists(name, max_size=3))
    def test_there_and_back_a_path_is_the_same(
        self, cluster: str, local: str, rest: list[str]
    ) -> None:
        path = "/".join([cluster, *rest])
        there, back = PathMap(((cluster, local),)), PathMap(((local, cluster),))

        mapped = there.path(path)

        assert mapped is not None
        assert mapped.startswith(local)
        assert back.path(mapped) == path
        assert there.url(to_url(path)) == to_url(mapped)
        # A URL keeps the three slashes that Windows needs; one slash means the same.
        url = back.url(to_url(mapped))
        assert url is not None
        assert url.replace("file:///", "file:/") == to_url(path)

    @given(st.one_of(posix, windows))
    def test_a_url_says_the_same_path(self, path: str) -> None:
        assert to_path(to_url(path)) == path
        assert to_url(path).isascii()

    @given(posix, name, st.sampled_from(["/mnt/lab", r"Z:\lab", "https://images.lab.org/lab"]))
    def test_a_folder_ends_at_a_separator(self, cluster: str, more: str, local: str) -> None:
        paths = PathMap.parse([f"{cluster}={local}"])

        assert paths.path(f"{cluster}{more}/a.tif") is None
        assert paths.path(f"{cluster}/{more}") is not None

    @given(posix, name)
    def test_the_longest_folder_counts_whatever_the_order(self, cluster: str, more: str) -> None:
        words = [f"{cluster}=/short", f"{cluster}/{more}=/long"]
        assume(not more.endswith("/"))

        for order in (words, words[::-1]):
            paths = PathMap.parse(order)
            assert paths.path(f"{cluster}/{more}/a.tif") == "/long/a.tif"
            assert paths.path(f"{cluster}/{more}2/a.tif") == f"/short/{more}2/a.tif"

    @given(posix, folders)
    def test_below_a_url_names_are_percent_encoded(self, cluster: str, rest: list[str]) -> None:
        paths = PathMap.parse([f"{cluster}=https://images.lab.org/data/"])

        url = paths.url(to_url("/".join([cluster, *rest])))

        assert url is not None
        assert url.isascii()
        assert unquote(url) == "/".join(["https://images.lab.org/data", *rest])
        assert paths.path("/".join([cluster, *rest])) == url

    def test_folders_of_windows_are_matched_as_windows_does(self) -> None:
        paths = PathMap.parse([r"\\server\share\run1=/mnt/lab", "Z:\\=/mnt/z"])

        assert paths.path(r"\\SERVER\share\run1\images\a.tif") == "/mnt/lab/images/a.tif"
        assert paths.path(r"\\server\share\run10\a.tif") is None
        assert paths.path("z:/data/a.tif") == "/mnt/z/data/a.tif"
        assert (
            paths.url("file:%5C%5Cserver%5Cshare%5Crun1%5Ca%20b.tif") == "file:/mnt/lab/a%20b.tif"
        )

    def test_the_root_can_be_mapped(self) -> None:
        assert PathMap.parse(["/=/mnt/cluster"]).path("/data/a.tif") == "/mnt/cluster/data/a.tif"
        assert PathMap.parse(["/mnt/cluster=/"]).path("/mnt/cluster/data/a.tif") == "/data/a.tif"

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["/data"], "--path-map /data: write CLUSTER=LOCAL"),
            (["data=/mnt"], "--path-map data=/mnt: write CLUSTER=LOCAL"),
            (["/data=mnt"], "--path-map /data=mnt: write CLUSTER=LOCAL"),
            (["/data=/a", "/data/=/b"], "--path-map has two values for /data/; leave one out"),
        ],
    )
    def test_what_is_no_mapping_is_refused(self, words: list[str], said: str) -> None:
        with pytest.raises(UsageError, match=said):
            PathMap.parse(words)


class TestLoad:
    """`load --path-map`, on the real program."""

    def test_places_change_and_nothing_else(
        self, case: Case, cpexport: Run, tmp_path: Path
    ) -> None:
        outputs = case("11_h5_and_csv") / "outputs"
        cpexport("load", outputs, "--to", "sqlite:///plain.sqlite")
        ran = cpexport(
            "load", outputs, "--to", "sqlite:///mapped.sqlite", "--path-map", f"{IMAGES}=Z:\\lab"
        )
        plain, mapped = (values_of(tmp_path / f"{name}.sqlite") for name in ("plain", "mapped"))

        path, file, url = rows(tmp_path / "mapped.sqlite", SEEN)[0]
        places = {f"Image_{kind}_{of}" for kind in ("PathName", "URL") for of in ("DNA", "ER")}
        identity = "SELECT number, identity FROM _cpexport_sets ORDER BY number"
        assert ran.status == 0
        assert (path, file) == (r"Z:\lab\P1", "P1_A01_s1_DNA.tif")
        assert url == "file:///Z:/lab/P1/P1_A01_s1_DNA.tif"
        for table, columns in plain.items():
            changed = {name for name in columns if columns[name] != mapped[table][name]}
            assert changed == (places if table == "Per_Image" else set())
        assert rows(tmp_path / "plain.sqlite", identity) == rows(
            tmp_path / "mapped.sqlite", identity
        )

    def test_later_loads_keep_it_and_another_is_refused(
        self, case: Case, cpexport: Run, tmp_path: Path
    ) -> None:
        outputs = case("11_h5_and_csv") / "outputs"
        words = ("--to", "sqlite:///screen.sqlite", "--batch", outputs.parent / "Batch_data.h5")
        mapping = ("--path-map", f"{IMAGES}=/mnt/lab")
        cpexport("load", outputs / "batch_1_6", *words, *mapping)

        again = cpexport("load", outputs, *words)
        once_more = cpexport("load", outputs, *words, *mapping)
        other = cpexport("load", outputs, *words, "--path-map", f"{IMAGES}=/mnt/other")

        query = "SELECT DISTINCT Image_PathName_DNA FROM Per_Image ORDER BY 1"
        assert (again.status, once_more.status) == (0, 0)
        assert "0 loaded, 4 already loaded" in once_more.out
        assert rows(tmp_path / "screen.sqlite", query) == [("/mnt/lab/P1",), ("/mnt/lab/P2",)]
        assert other.status == 1
        assert other.err.count("\n") == 1
        assert f"was created with --path-map {IMAGES}=/mnt/lab, but" in other.err

    def test_one_that_was_loaded_without_is_not_changed_by_halves(
        self, case: Case, cpexport: Run
    ) -> None:
        outputs = case("11_h5_and_csv") / "outputs"
        cpexport("load", outputs / "batch_1_6", "--to", "sqlite:///screen.sqlite")

        ran = cpexport(
            *("load", outputs, "--to", "sqlite:///screen.sqlite"),
            *("--path-map", f"{IMAGES}=/mnt/lab"),
        )

        assert ran.status == 1
        assert "was created with no --path-map, but --path-map" in ran.err

    def test_pictures_are_the_same_whatever_their_paths_are_called(
        self, case: Case, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        """A newer output of the same pictures takes the place of the one that is there."""
        mapping = ("--to", "sqlite:///screen.sqlite", "--path-map", f"{IMAGES}=/mnt/lab")
        old = case("11_h5_and_csv") / "outputs" / "batch_1_6"
        newer = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "again/batch_1_6.h5")
        rewritten(
            newer, "Experiment", "Modification_Timestamp", lambda old: [b"2027-01-01"] * len(old)
        )
        cpexport("load", old, *mapping)

        ran = cpexport("load", newer, *mapping)

        found = rows(
            tmp_path / "screen.sqlite",
            "SELECT count(*), count(DISTINCT Image_URL_DNA) FROM Per_Image",
        )
        assert "1 loaded" in ran.out
        assert found == [(6, 6)]

    def test_paths_in_none_of_the_folders_stay_and_are_counted(
        self, case: Case, cpexport: Run, tmp_path: Path
    ) -> None:
        ran = cpexport(
            *("load", case("11_h5_and_csv") / "outputs", "--to", "sqlite:///screen.sqlite"),
            *("--path-map", f"{IMAGES}/P1=/mnt/lab"),
        )

        query = "SELECT count(*) FROM Per_Image WHERE Image_PathName_ER = '{}'"
        counts = [
            rows(tmp_path / "screen.sqlite", query.format(place))[0][0]
            for place in ("/mnt/lab", f"{IMAGES}/P2")
        ]
        assert ran.status == 0
        assert counts == [12, 12]
        assert "48 image paths do not begin with a folder of --path-map" in ran.err

    def test_whole_paths_in_file_names_as_batches_for_windows_have_them(
        self, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        """The values that CellProfiler wrote where the cluster was Windows (its batch file's)."""
        outputs = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "win/batch_1_6.h5")
        share = r"\\server\share\run1"
        rewritten(
            outputs,
            "Image",
            "FileName_DNA",
            lambda old: [rf"{share}\images\P1\{f.decode()}" for f in old],
        )
        rewritten(outputs, "Image", "PathName_DNA", lambda old: [b""] * len(old))
        rewritten(
            outputs,
            "Image",
            "URL_DNA",
            lambda old: [
                f"file:%5C%5Cserver%5Cshare%5Crun1%5C{u.decode().rpartition('/')[2]}" for u in old
            ],
        )

        ran = cpexport(
            *(
                "load",
                outputs,
                "--to",
                "sqlite:///screen.sqlite",
                "--path-map",
                f"{share}=/mnt/lab",
            ),
            *("--path-map", "/cluster=/mnt/other"),
        )

        database = tmp_path / "screen.sqlite"
        ((identity,),) = rows(database, "SELECT identity FROM _cpexport_sets WHERE number = 1")
        assert ran.status == 0, ran.err
        assert rows(database, SEEN)[0] == (
            "",
            "/mnt/lab/images/P1/P1_A01_s1_DNA.tif",
            "file:/mnt/lab/P1_A01_s1_DNA.tif",
        )
        assert json.loads(str(identity))["FileName_DNA"].startswith(share)

    def test_back_by_the_batch_file_s_own_mappings(
        self, case: Case, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        home = case("batch_files") / "05_batch_mapped_loaddata"
        outputs = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "run/batch_1_6.h5")
        cluster = b"/cluster/screens/run1/images/P1"
        rewritten(outputs, "Image", "PathName_DNA", lambda old: [cluster] * len(old))

        ran = cpexport(
            *("load", outputs, "--to", "sqlite:///screen.sqlite", "--path-map", "batch"),
            *("--batch", home / "Batch_data.h5"),
        )

        assert ran.status == 3, ran.err
        assert rows(tmp_path / "screen.sqlite", SEEN)[0][0] == "/cluster/corpus/images/P1"

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (
                ["--path-map", "batch"],
                "--path-map batch needs the batch file; name it with --batch",
            ),
            (["--path-map", "batch", "--batch", "{plain}"], "maps no paths; write --path-map CLU"),
            (["--path-map", "nowhere"], "--path-map nowhere: write CLUSTER=LOCAL"),
        ],
    )
    def test_no_mapping_at_all_is_refused_in_one_line(
        self, case: Case, cpexport: Run, tmp_path: Path, words: list[str], said: str
    ) -> None:
        home = case("11_h5_and_csv")
        given = [word.format(plain=home / "Batch_data.h5") for word in words]

        ran = cpexport("load", home / "outputs", *given)

        assert ran.status == 2
        assert said in ran.err
        assert ran.err.count("\n") == 1
        assert list(tmp_path.glob("*.sqlite")) == []


class TestProperties:
    @pytest.fixture
    def database(self, loaded: Callable[..., Path], case: Case) -> Path:
        return loaded(case("11_h5_and_csv") / "outputs")

    def test_what_stands_before_all_paths_is_prepended(self, database: Path, cpexport: Run) -> None:
        words = ("properties", "--to", f"sqlite:///{database}", "--path-map")

        ran = cpexport(*words, "/cluster/corpus=https://images.lab.org/screens/cluster/corpus")

        assert ran.status == 0
        assert "image_url_prepend = https://images.lab.org/screens\n" in ran.out

    def test_a_folder_without_an_image_is_refused(self, database: Path, cpexport: Run) -> None:
        mapping = "/archive=https://images.lab.org/archive"
        ran = cpexport("properties", "--to", f"sqlite:///{database}", "--path-map", mapping)

        assert ran.status == 2
        assert f"--path-map {mapping}: no image is in this folder; images are in /cl" in ran.err

    @pytest.mark.parametrize("mapping", ["/cluster=https://images.lab.org/data", r"Z:\a=Z:\a"])
    def test_anything_else_is_for_the_load(
        self, database: Path, cpexport: Run, mapping: str
    ) -> None:
        ran = cpexport("properties", "--to", f"sqlite:///{database}", "--path-map", mapping)

        assert ran.status == 2
        assert ran.err.count("\n") == 1
        assert "load with --path-map" in ran.err
