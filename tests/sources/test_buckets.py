"""Outputs in a bucket are loaded as from a disk; what fails there costs one batch, or one line."""

import gzip
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contracts.source import Copy
from support.buckets import NAME, S3, Answer, s3
from support.calls import load, verify
from support.fixtures import Ran, traces, values_of
from support.small_outputs import images, measurements, objects

from cpexport.commands.load_report import LoadReport
from cpexport.errors import UsageError
from cpexport.files import aws_profile, buckets, staging
from cpexport.files.places import path_of
from cpexport.loading.evidence_json import to_json
from cpexport.loading.succession import Consent
from cpexport.sources.hdf5.source import Hdf5Source

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with s3() as store:
        yield store


@pytest.fixture
def store(server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """The server, in whose bucket each test has its own prefix."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    buckets.bucket.cache_clear()
    server.reset()
    yield server
    buckets.bucket.cache_clear()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three jobs: CSV, compressed CSV, and a measurement file."""
    run = tmp_path / "run"
    for number, name in enumerate(("b1", "b2"), start=1):
        images(run / name / "Image.csv", {number: 2})
        objects(run / name / "Nuclei.csv", {number: 2})
    cells = run / "b2" / "Nuclei.csv"
    cells.with_name("Nuclei.csv.gz").write_bytes(gzip.compress(cells.read_bytes()))
    cells.unlink()
    measurements(run / "b3" / "b3.h5", {3: 0})
    return run


def loaded(url: str | Path, database: Path, **fields: Any) -> LoadReport:
    return load([path_of(url)], f"sqlite:///{database}", **fields)


def test_a_bucket_is_loaded_as_the_same_folder_on_disk(
    run: Path, store: S3, tmp_path: Path
) -> None:
    names = ("a+b", "50% off", "p%20q", "\u00fc \u65e5\u672c", "#1 & ?=2", "~[x]'s")
    for number, name in enumerate(names, start=4):
        shutil.copytree(run / "b1", run / name)
        images(run / name / "Image.csv", {number: 0}, picture=name[0])
        (run / name / "Nuclei.csv").unlink()
    url = store.upload(run, "tree 1")
    store.put("tree 1/b2/", b"")
    here, there = tmp_path / "here.sqlite", tmp_path / "there.sqlite"
    on_disk, report = loaded(run, here), loaded(url, there)

    assert report.loaded == on_disk.loaded > 7
    assert report.left_out == on_disk.left_out == ()
    assert values_of(there) == values_of(here)
    assert verify([path_of(url)], f"sqlite:///{there}").exit_status == 0
    store.requests.clear()
    again = loaded(url, there)
    assert (again.loaded, again.already) == (0, report.loaded)
    kinds = {line.split("?")[0] for line in store.requests if not line.startswith("HEAD")}
    assert kinds == {f"GET /{NAME}"}


def test_a_sqlite_file_in_a_bucket(store: S3, tmp_path: Path, copy: Copy) -> None:
    file = copy("20_sqlite", "separate.db", to="db/screen.db")
    loaded(file.parent, tmp_path / "here.sqlite")
    report = loaded(store.upload(file.parent, "db"), tmp_path / "there.sqlite")

    assert (report.loaded, report.left_out) == (1, ())
    assert values_of(tmp_path / "there.sqlite") == values_of(tmp_path / "here.sqlite")


def test_check_reads_a_large_measurement_file_by_ranges(
    store: S3, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", to="h5/batch_1_6.h5")
    url = store.upload(file.parent, "ranges")
    here, there = Hdf5Source(file, file), Hdf5Source(path_of(url), path_of(url) / file.name)
    monkeypatch.setattr(staging, "_WORTH", 0)
    store.requests.clear()
    with staging.at_hand(there.files):
        evidence = there.inspect()

    assert to_json(evidence, str) == to_json(here.inspect(), str)
    assert len(store.requests) > 3
    assert store.sent < 0.9 * file.stat().st_size


def test_a_bucket_as_a_whole_and_one_file_of_it(run: Path, store: S3, tmp_path: Path) -> None:
    url = store.upload(run, "one")
    whole = load([path_of(f"{url}/b1/Image.csv")], f"sqlite:///{tmp_path / 'a.sqlite'}")

    assert (whole.loaded, whole.image_sets, whole.rows["Per_Nuclei"]) == (1, 1, 2)


def slow(answer: Answer) -> None:
    time.sleep(0.05)


def cut(answer: Answer) -> None:
    answer.sent = len(answer.body) // 2


def busy(answer: Answer) -> None:
    answer.refuse(503, "SlowDown")


def denied(answer: Answer) -> None:
    answer.refuse(403, "AccessDenied")


@pytest.mark.parametrize(
    ("fault", "request_"),
    [
        (busy, "GET .*csv"),
        (cut, "GET .*csv"),
        (slow, "GET .*csv"),
        (busy, "GET .*list-type"),
        (cut, "GET .*list-type"),
        (busy, "HEAD"),
    ],
)
def test_what_fails_for_a_moment_is_tried_again(
    fault: Callable[[Answer], None], request_: str, run: Path, store: S3, tmp_path: Path
) -> None:
    url = store.upload(run, f"{fault.__name__}-{request_[:3]}-{len(request_)}")
    store.at(request_, fault, times=2)
    report = loaded(url, tmp_path / "a.sqlite")

    assert (report.loaded, report.left_out) == (3, ())
    assert [rule.times for rule in store.rules] == [0]


def test_an_object_that_is_denied_costs_its_batch_alone(
    run: Path, store: S3, tmp_path: Path
) -> None:
    url = store.upload(run, "denied")
    store.at("GET .*b2/Nuclei", denied)
    store.at("GET .*b3.h5", denied)
    report = loaded(url, tmp_path / "a.sqlite")
    left = {one.path: one.reason for one in report.left_out}

    assert (report.loaded, report.exit_status) == (1, 3)
    assert left.keys() == {f"{url}/b2", f"{url}/b3"}
    assert all("access is denied (AccessDenied); set AWS_PROFILE" in why for why in left.values())


@pytest.mark.parametrize("by_ranges", [False, True])
@pytest.mark.parametrize("name", ["b1/Nuclei.csv", "b3/b3.h5"])
def test_an_object_that_is_replaced_while_it_is_read_costs_its_batch_alone(
    name: str,
    by_ranges: bool,
    run: Path,
    store: S3,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if by_ranges:
        monkeypatch.setattr(staging, "_WORTH", 0)
    url = store.upload(run, f"replaced-{name[1]}-{by_ranges}")
    new = (run / name).read_bytes().replace(b",5", b",7") + b"\n"
    key = f"{url.removeprefix(f's3://{NAME}/')}/{name}"
    store.at(f"GET .*{name}", lambda answer: store.put(key, new), times=1)
    report = loaded(url, tmp_path / "a.sqlite")
    (left,) = report.left_out

    assert (report.loaded, left.path) == (2, f"{url}/{name[:2]}")
    assert "was replaced after it was listed; run the command again" in left.reason


def test_a_load_after_an_object_was_replaced_has_the_new_rows(
    run: Path, store: S3, tmp_path: Path
) -> None:
    url, database = store.upload(run, "newer"), tmp_path / "a.sqlite"
    loaded(url, database)
    objects(run / "b1" / "Nuclei.csv", {1: 2}, area=7)
    store.put("newer/b1/Nuclei.csv", (run / "b1" / "Nuclei.csv").read_bytes())
    report = loaded(url, database, consent=Consent(same_pictures=True))
    loaded(run, tmp_path / "b.sqlite")

    assert report.left_out == ()
    assert (report.loaded, report.already) == (1, 2)
    assert values_of(database) == values_of(tmp_path / "b.sqlite")


def test_an_upload_that_is_not_finished_is_a_file_that_is_not_there(
    run: Path, store: S3, tmp_path: Path, cpexport: Run
) -> None:
    (run / "b1" / "Nuclei.csv").unlink()
    url = store.upload(run, "half")
    begun = store.request("POST", "/half/b1/Nuclei.csv?uploads").decode()
    upload = begun.split("<UploadId>")[1].split("<")[0]
    store.request("PUT", f"/half/b1/Nuclei.csv?partNumber=1&uploadId={upload}", b"ImageNumber,")
    ran = cpexport("check", url)

    assert "1: the table of Nuclei is missing" in ran.out
    assert "complete  2  2-3" in ran.out


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("s3://none/run", "the bucket s3://none does not exist; check its name"),
        (f"s3://{NAME}/none", "does not exist; name the folder that holds the jobs' outputs"),
        (
            "az://none",
            "az://none cannot be opened: Account must be specified; set AZURE_STORAGE_ACCOUNT_NAME",
        ),
    ],
)
def test_a_bucket_or_folder_that_is_not_there_is_one_line(
    url: str, problem: str, store: S3, cpexport: Run
) -> None:
    ran = cpexport("load", url, "--to", "a.sqlite")

    assert (ran.status in (1, 2), ran.err.count("\n"), ran.out) == (True, 1, "")
    assert problem in ran.err


def test_a_bucket_that_may_not_be_listed_is_one_line(store: S3, cpexport: Run) -> None:
    store.at("list-type", denied)
    ran = cpexport("check", f"s3://{NAME}/denied")

    assert ran.err.startswith(f"cpexport: s3://{NAME}/denied: access is denied (AccessDenied); set")
    assert (ran.status, ran.err.count("\n")) == (1, 1)


def test_an_object_whose_name_is_no_path_is_one_line(store: S3, cpexport: Run) -> None:
    store.put("odd//x.csv", b"1")
    ran = cpexport("check", f"s3://{NAME}/odd")
    store.request("DELETE", "/odd//x.csv")

    assert "has an object whose name cannot be read" in ran.err
    assert (ran.status, ran.err.count("\n")) == (1, 1)


def test_jobs_are_not_planned_with_a_batch_file_in_a_bucket(
    store: S3, copy: Copy, cpexport: Run, tmp_path: Path
) -> None:
    copy("10_ranges", "Batch_data.h5", to="plan/Batch_data.h5")
    url = store.upload(tmp_path / "plan", "plan")
    before = traces(tmp_path)
    plan = cpexport("plan", f"{url}/Batch_data.h5", "--out", "run", "--format", "slurm")
    again = cpexport("check", url, "--batch", f"{url}/Batch_data.h5", "--resubmit", "again")

    assert all("jobs cannot read a file in a bucket" in ran.err for ran in (plan, again))
    assert {plan.status, again.status} == {2}
    assert traces(tmp_path) == before


@pytest.mark.parametrize(
    "words",
    [
        ("load", "run", "--to", "a.sqlite", "--report"),
        ("load", "run", "--to", "a.sqlite", "--properties"),
        ("plan", "Batch_data.h5", "--format", "slurm", "--out"),
        ("script", "run", "--out"),
        ("report", "run", "--out"),
    ],
)
def test_nothing_is_written_into_a_bucket(words: tuple[str, ...], run: Path, cpexport: Run) -> None:
    before = traces(run.parent)
    ran = cpexport(*words, "S3://lab/new")
    line = "cpexport: s3://lab/new: cpexport does not write into buckets; name a path on a disk\n"

    assert (ran.status, ran.err) == (2, line)
    assert traces(run.parent) == before


def test_without_the_package_a_line_says_what_to_install(
    store: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)

    with pytest.raises(UsageError, match=r"needs the package obstore.*cpexport\[cloud\]"):
        loaded(f"s3://{NAME}/run", tmp_path / "a.sqlite")


def test_settings_come_from_the_profile_where_the_environment_has_none(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile lab]\nregion = eu-west-1\nendpoint_url = http://x\n")
    (tmp_path / "keys").write_text(
        "[lab]\naws_access_key_id = A\naws_secret_access_key = B\naws_session_token = C\n"
    )
    files = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys"),
        "AWS_PROFILE": "lab",
    }
    keys = {"access_key_id": "A", "secret_access_key": "B", "session_token": "C"}

    assert aws_profile.settings(files) == {"region": "eu-west-1", "endpoint": "http://x", **keys}
    own = {"AWS_REGION": "us-east-2", "AWS_ACCESS_KEY_ID": "Z", "AWS_ENDPOINT_URL": "http://y"}
    assert aws_profile.settings(files | own) == {}
    assert aws_profile.settings({"AWS_SKIP_SIGNATURE": "true", "HOME": str(tmp_path)}) == {}


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "parquet"])
def test_a_destination_in_a_bucket_is_refused_in_one_line(
    kind: str, run: Path, store: S3, tmp_path: Path, cpexport: Run
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    to = f"parquet:{home}/db" if kind == "parquet" else f"{kind}:///{home}/db"
    load([run], to)
    url = store.upload(home, f"destination {kind}")
    for words in (("load", f"{url}/db", "--to", "all.sqlite"), ("check", f"{url}/db")):
        ran = cpexport(*words)
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.count("\n") == 1
        assert f"cpexport: {url}/db: a destination of cpexport in a bucket" in ran.err
        assert "copy it to a disk, and name the copy" in ran.err
