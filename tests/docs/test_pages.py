"""Every command and every block of Python and R on every page does what the page shows.

`support.pages` says how pages are read. `CPEXPORT_DOCS=refresh`, which `make docs-refresh` sets,
writes the real outputs into the pages.
"""

import contextlib
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.buckets import S3, s3
from support.clusters import Slurm
from support.fixtures import unpacked
from support.page_reader import ROOT, Reader, has_r
from support.pages import Block, Page, examples
from support.servers import PASSWORD, USER, Database
from support.site import Site

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Blocks in other languages are files, with a title.
KNOWN = {"console", "sh", "python", "r", "text", ""}
REFRESH = os.environ.get("CPEXPORT_DOCS") == "refresh"

pages = [Page.read(path) for path in PAGES]


def named(page: Page) -> str:
    return str(page.path.relative_to(ROOT))


def on(page: Page) -> bool:
    return any(block.runs or block.title for block in page.blocks)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    home = tmp_path / "screen"
    home.mkdir()
    reader = Reader(home)
    reader.prepare()
    return reader


def _slurm(reader: Reader, request: pytest.FixtureRequest) -> None:
    """A cluster on which two jobs fail at their first attempt."""
    slurm: Slurm = request.getfixturevalue("slurm")
    _cellprofiler(reader, request)
    reader.environment = {**reader.environment, **slurm.env}
    reader.wait = slurm.wait


def _cellprofiler(reader: Reader, request: pytest.FixtureRequest) -> None:
    """A `cellprofiler` whose jobs fail as pages tell, and the batch file of its screen."""
    site: Site = request.getfixturevalue("site")
    site.fail({"3-4": ["exit 7"], "9-10": ["Failure"]})
    (reader.home / "Batch_data.h5").symlink_to(unpacked("10_ranges") / "Batch_data.h5")
    reader.environment = {**reader.environment, **site.environment}


def _mariadb(reader: Reader, request: pytest.FixtureRequest) -> None:
    """A server on which a database and users can be made, whatever its name on the page."""
    database: Database = request.getfixturevalue("databases")("mariadb")
    server = database.server
    reader.places = {
        "@db.lab.org/screens": f"@127.0.0.1:{server.port}/{database.name}",
        "pymysql:///screens": f"pymysql:///{database.name}",
        " screens ": f" {database.name} ",
        "host=db.lab.org": f"socket={server.socket}",
        "password=secret": f"password={PASSWORD}",
    }
    reader.environment = {**reader.environment, "MYSQL_PWD": PASSWORD}
    assert USER == "loader"


def _program(name: str) -> Callable[[Reader, pytest.FixtureRequest], None]:
    def need(reader: Reader, request: pytest.FixtureRequest) -> None:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")

    return need


def _module(name: str) -> Callable[[Reader, pytest.FixtureRequest], None]:
    def need(reader: Reader, request: pytest.FixtureRequest) -> None:
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed: make clients has it")
        # What they and their own dependencies warn of is not about us.
        warnings.simplefilter("ignore")

    return need


def _cytotable(reader: Reader, request: pytest.FixtureRequest) -> None:
    _module("cytotable")(reader, request)
    # CytoTable asks for both, and gets them from the network if they are not there.
    from duckdb_extensions import import_extension

    request.getfixturevalue("monkeypatch").setenv("HOME", str(reader.home))
    import_extension("sqlite_scanner")
    import_extension("httpfs")


def _mail(reader: Reader, request: pytest.FixtureRequest) -> None:
    """A `mail` that writes a file, as no mail may leave this machine."""
    program = reader.home / "bin" / "mail"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n{ printf "%s\\n" "$*"; cat; } >>"$HOME/mail.txt"\n')
    program.chmod(0o755)
    usual = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    path = f"{program.parent}:{reader.environment.get('PATH', usual)}"
    reader.environment = {**reader.environment, "PATH": path}


def _s3(reader: Reader, request: pytest.FixtureRequest) -> None:
    """A server with the example in a bucket."""
    store: S3 = request.getfixturevalue("bucket_of_pages")
    store.upload(reader.home / "screen", "screen")
    reader.environment = {**reader.environment, **store.environment}


@pytest.fixture(scope="module")
def bucket_of_pages() -> Iterator[S3]:
    with s3() as store:
        yield store


def _r(reader: Reader, request: pytest.FixtureRequest) -> None:
    if not has_r():
        pytest.skip("R with DBI, RSQLite and jsonlite is not installed: make r, as root")


_NEEDS = {
    "r": _r,
    "slurm": _slurm,
    "cellprofiler": _cellprofiler,
    "mariadb": _mariadb,
    "snakemake": _program("snakemake"),
    "nextflow": _program("nextflow"),
    "mail": _mail,
    "s3": _s3,
    "cytotable": _cytotable,
    "pycytominer": _module("pycytominer"),
}


@pytest.mark.parametrize("page", [page for page in pages if on(page)], ids=named)
def test_a_page_does_what_it_shows(
    page: Page, reader: Reader, request: pytest.FixtureRequest
) -> None:
    """But for blocks that need what is not there, which the next test counts."""
    met = set()
    for need in page.needs:
        with contextlib.suppress(pytest.skip.Exception):
            _NEEDS[need](reader, request)
            met.add(need)
    changes = reader.does(page, frozenset(met))

    if REFRESH:
        refresh(page, changes, reader.home)
        return
    shown = "\n".join(block.text for block, _ in changes)
    assert shown == "\n".join(text for _, text in changes)


@pytest.mark.parametrize("need", sorted({need for page in pages for need in page.needs}))
def test_what_pages_need_is_there(
    need: str, reader: Reader, request: pytest.FixtureRequest
) -> None:
    """Skipped if it is not: then the blocks that need it were not run."""
    _NEEDS[need](reader, request)


def refresh(page: Page, changes: list[tuple[Block, str]], home: Path) -> None:
    """Writes the real outputs into a page, and its pictures next to it."""
    page.path.write_text(page.with_texts(changes), "utf-8")
    for name in set(re.findall(r"pictures/([\w-]+\.png)\)", page.text)):
        # Some pictures are made by tests of their own.
        if (home / name).exists():
            shutil.copy(home / name, ROOT / "docs" / "pictures")


@pytest.mark.parametrize("page", pages, ids=named)
def test_every_block_is_of_a_language_that_is_run(page: Page) -> None:
    assert [b.language for b in page.blocks if b.language not in KNOWN and not b.title] == []
    assert [b.text for b in page.blocks if b.language == "console" and not examples(b)] == []
