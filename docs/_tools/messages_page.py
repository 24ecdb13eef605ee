"""The tables of the page about messages: every error of the code, by what it is about."""

from dataclasses import dataclass
from pathlib import Path

from messages import Message, collect


@dataclass(frozen=True)
class Subject:
    """A section: its title, what its errors have in common, and the modules that raise them."""

    title: str
    text: str
    modules: tuple[str, ...]
    errors: tuple[str, ...] = ()


_FILE = (
    "The message begins with the path of the file. The file costs its own batch (one job's "
    'output) only: `load` names it under "Left out", loads the others, and ends with status 3.'
)
SUBJECTS = (
    Subject(
        "The command line",
        "The command was not understood, and nothing was changed. The exit status is 2.",
        (
            "cli/",
            "commands/",
            "destination_url",
            "tables/",
            "loading/wanted",
            "derived/",
            "reporting/",
            "files/row_files",
            "files/xlsx",
        ),
        ("UsageError",),
    ),
    Subject(
        "Plans and jobs",
        "`plan` prints these before anything is submitted: `problem:` where all jobs would fail, "
        "and then makes no plan; `warning:` for the others. What `check` says about jobs that ran "
        "is on the page [Find out why jobs failed](../how-to/failed-jobs.md).",
        ("jobs/", "loading/batch_file_of_jobs"),
    ),
    Subject(
        "Batch files and lists",
        "The batch file, or LoadData's list, has the image sets that are wanted. Without the right "
        "one it is not known what is missing.",
        ("cellprofiler/batch_file", "cellprofiler/image_set_list", "sources/find_batch_file"),
    ),
    Subject("Measurement files (.h5)", _FILE, ("cellprofiler/hdf5", "sources/hdf5")),
    Subject("CSV files of ExportToSpreadsheet", _FILE, ("sources/spreadsheet",)),
    Subject("SQLite files of ExportToDatabase", _FILE, ("sources/sqlite",)),
    Subject('CSV files of "MySQL / CSV"', _FILE, ("sources/mysql_csv",)),
    Subject(
        "Buckets",
        "What concerns a bucket or a listing ends the command, and nothing was changed. What "
        "concerns one object costs its batch only. See [Read outputs from a "
        "bucket](../how-to/buckets.md).",
        ("files/aws_profile", "files/buckets", "files/staging"),
    ),
    Subject(
        "Layouts of plates",
        "`cpexport annotate` changed nothing. The message begins with the path of the layout.",
        ("derived/plate_layouts",),
    ),
    Subject("Any output", _FILE, ("sources/", "files/")),
    Subject(
        "A load",
        "Wrong words on the command line change nothing. Otherwise the load stopped, and what it "
        "had committed stays: run it again after the repair, and it loads only what is new.",
        ("loading/", "commands/", "derived/", "api", "tables/"),
    ),
    Subject(
        "SQLite destinations",
        "The message begins with the URL of the destination.",
        ("sinks/sqlite",),
    ),
    Subject(
        "MySQL and MariaDB destinations",
        "The message begins with the URL of the destination, without its password. Numbers in "
        "brackets are the server's own.",
        ("sinks/mysql",),
    ),
    Subject("DuckDB destinations", "The message begins with the URL.", ("sinks/duckdb",)),
    Subject("Parquet destinations", "The message begins with the folder.", ("sinks/parquet",)),
    Subject("Every destination", "The message begins with the URL.", ("sinks/", "verification/")),
    Subject(
        "Import scripts",
        "These are messages of `cpexport script`. Those of the script while it runs are in the "
        "README.txt of its folder; see [Give a DBA an import script](../how-to/import-script.md).",
        ("sql_script/",),
    ),
)


def tables(package: Path) -> str:
    """The sections, in Markdown; a message is in the first section that takes it."""
    waiting = list(collect(package))
    sections = []
    for subject in SUBJECTS:
        own = [message for message in waiting if _takes(subject, message)]
        waiting = [message for message in waiting if not _takes(subject, message)]
        if own:
            sections.append(f"## {subject.title}\n\n{subject.text}\n\n{_table(own)}")
    assert not waiting, f"no section for {waiting[0]}"
    return "\n\n".join(sections)


def _takes(subject: Subject, message: Message) -> bool:
    is_module = message.module.startswith(subject.modules)
    return is_module and (not subject.errors or message.error in subject.errors)


def _table(messages: list[Message]) -> str:
    advice: dict[str, list[str]] = {}
    for message in messages:
        advice.setdefault(message.problem, []).append(message.advice)
    rows = ["| cpexport says | what to do |", "| --- | --- |"]
    for problem, ways in sorted(advice.items()):
        known = list(dict.fromkeys(way for way in ways if way.strip("… ")))
        rows.append(f"| {cell(problem)} | {cell('; or '.join(known)) or SEE} |")
    return "\n".join(rows)


def cell(text: str) -> str:
    for special in ("\\", "|", "<", "*", "_", "`", "["):
        text = text.replace(special, f"\\{special}")
    return text


# Of a message without an advice: it is about the command itself.
SEE = "change the command; `cpexport COMMAND --help` has its options"
