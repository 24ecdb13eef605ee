"""The command that loads: its words, one call of `load_runs` or `follow_load`, and its report."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpexport import options, outcome
from cpexport.errors import UsageError

if TYPE_CHECKING:
    from cpexport.load import Report


@click.command()
@options.outputs
@options.to("Where to, as a URL; default: sqlite:///NAME OF OUTPUTS.sqlite.")
@options.batch
@options.prefix
@options.shape
@options.path_map
@options.same_pictures
@options.replace
@options.wells
@options.plate_and_well
@click.option("--format", type=click.Choice(["table", "json"]), default="table")
@click.option(
    "--properties",
    "file",
    type=click.Path(path_type=Path),
    help="Write this .properties file for CellProfiler Analyst at the end.",
)
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be loaded into what tables.")
@options.jobs
@options.watch("Load what jobs complete, every so often, until all that is planned is there.")
@options.missing_ok
@options.quiet
@options.verbose
def load(
    outputs: tuple[Path, ...],
    to: str | None,
    batch_file: Path | None,
    prefix: str,
    path_map: tuple[str, ...],
    same_pictures: bool,
    replace: bool,
    kinds: str | None,
    plate: str | None,
    well: str | None,
    format: str,
    file: Path | None,
    dry: bool,
    jobs: int | None,
    seconds: float | None,
    missing_ok: bool,
    quiet: bool,
    verbose: bool,
    **words: Any,
) -> int:
    """Load every complete image set of every batch below OUTPUTS; run again, only what is new."""
    from cpexport.batchfile import read_path_map
    from cpexport.dryrun import dry_run
    from cpexport.progress import passed_text, shown
    from cpexport.properties import properties, refuse_foreign, write
    from cpexport.reportdestination import dry_run_text, load_text
    from cpexport.runs import destination, load_runs
    from cpexport.shape import Shape
    from cpexport.sinks import analyst_reads
    from cpexport.succession import Consent
    from cpexport.watch import follow_load
    from cpexport.wells import Wells
    from cpexport.workers import processes

    url = destination(outputs, to)
    if (plate or well) and not (kinds or file):
        raise UsageError("--plate and --well go with --wells or --properties")
    shape = Shape.parse(**words) if any(words.values()) else None
    paths = read_path_map(path_map, batch_file) if path_map else None
    wells = Wells((), plate, well) if kinds is None else Wells.parse(kinds, plate, well)
    consent = Consent(same_pictures, replace)
    if file:
        refuse_foreign(file)
        if not analyst_reads(url):
            raise UsageError("--properties goes with SQLite and MySQL, which are all it is for")
    if dry:
        with shown(quiet) as progress:
            found = dry_run(
                outputs,
                url,
                batch_file=batch_file,
                prefix=prefix,
                shape=shape,
                paths=paths,
                wells=wells,
                consent=consent,
                progress=progress,
            )
        click.echo(dry_run_text(found, format))
        if not quiet:
            notes = [n for one in found for n in (*one.notes, *(one.details if verbose else ()))]
            outcome.advise(tuple(dict.fromkeys(notes)))
        return outcome.status(all(one.whole for one in found), missing_ok)
    passes: list[Report] = []

    def passed(so_far: "Report") -> None:
        passes.append(so_far)
        if not quiet and not sys.stderr.isatty():
            click.echo(passed_text(so_far), err=True)

    with shown(quiet) as progress:
        once = partial(
            load_runs,
            outputs,
            url,
            batch_file=batch_file,
            prefix=prefix,
            shape=shape,
            paths=paths,
            wells=wells,
            patient=seconds is not None,
            consent=consent,
            workers=processes(jobs),
            progress=progress,
        )
        try:
            report = follow_load(once, seconds, progress, passed) if seconds else once()
        except KeyboardInterrupt:
            if passes:
                click.echo(load_text(passes[-1], format))
            raise
    if report.loaded or format == "json" or not quiet:
        click.echo(load_text(report, format))
    if not quiet:
        outcome.advise((*report.notes, *(report.details if verbose else ())))
    if file:
        write(properties(url, file.parent, prefix=prefix, plate=plate, well=well), file)
    return outcome.status(report.whole, missing_ok)
