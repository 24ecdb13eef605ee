"""Turns the arguments that `load`, `verify` and `script` share into a `LoadRequest`."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from cpexport.api.arguments import (
    FilePath,
    Words,
    check_range,
    comma_list,
    key_features,
    listed,
    lists_of,
    new_path,
    pairs,
    path,
    paths,
)
from cpexport.api.report import check_report_file
from cpexport.cellprofiler.column_names import LONGEST
from cpexport.commands.run_names import by_pattern
from cpexport.derived.cpa_properties import check_replaceable
from cpexport.derived.wells import Wells
from cpexport.errors import UsageError
from cpexport.loading.request import LoadRequest
from cpexport.loading.succession import Consent
from cpexport.sinks.registry import capabilities
from cpexport.tables.options import SHORTEST, TableOptions
from cpexport.tables.path_map import read_path_map

_SQLITE = "sqlite:///"


def load_request(
    outputs: FilePath | Iterable[FilePath],
    to: str,
    *,
    batch: FilePath | None,
    plan: FilePath | Iterable[FilePath] = (),
    prefix: str,
    same_pictures: bool,
    key: Words | None = None,
    objects: Words | None = None,
    aggregate: Words | None = None,
    features: Words = (),
    leave_out: Words = (),
    max_column_length: int | None = None,
    table_number: bool = False,
    run_from: str | None = None,
    path_map: Words | Mapping[str, str] = (),
    replace: bool = False,
    wells: Words | None = None,
    plate: str | None = None,
    well: str | None = None,
    properties: FilePath | None = None,
    indexes: bool | None = None,
    report: FilePath | None = None,
    again: bool = False,
    allow_empty: bool = False,
    numbers_runs: bool = True,
) -> LoadRequest:
    """Returns the request that these options make; they are named as on the command line.

    `numbers_runs` is whether `run_from` makes a destination that numbers runs.

    `properties` and `report` are files that will be written after the load; they are checked before
    it.

    Raises:
        UsageError: there are no outputs, or an option is invalid.
        SourceError: the batch file, which `path_map` needs, cannot be read.
    """
    folders, batch_file, lists = paths(outputs), path(batch), lists_of(plan, batch)
    if not folders:
        raise UsageError("name the folder that holds the jobs' outputs")
    if (plate or well) and not (wells or properties or report):
        raise UsageError("--plate and --well need --wells, --properties or --report")
    if _is_among(to, folders):
        raise UsageError("--to is one of OUTPUTS; name another destination")
    check_report_file(new_path(report))
    if properties:
        _check_properties(new_path(properties), to)
    check_range("max-column-length", max_column_length, SHORTEST, LONGEST)
    shape = None
    chosen, without = listed(features), listed(leave_out)
    numbered = table_number or (run_from is not None and numbers_runs)
    if objects or aggregate or chosen or without or max_column_length or numbered:
        words = comma_list(objects), comma_list(aggregate)
        shape = TableOptions.parse(*words, max_column_length, numbered, without, chosen)
    mapped, kinds = pairs(path_map), comma_list(wells)
    tables_of_wells = None
    if kinds is not None:
        tables_of_wells = Wells.parse(kinds, plate, well)
    elif plate or well:
        tables_of_wells = Wells((), plate, well)
    return LoadRequest(
        outputs=folders,
        to=to,
        batch_file=batch_file,
        lists=lists,
        prefix=prefix,
        shape=shape,
        paths=read_path_map(mapped, batch_file) if mapped else None,
        wells=tables_of_wells,
        key=key_features(key),
        run_folders={} if run_from is None else by_pattern(folders, run_from),
        consent=Consent(same_pictures, replace),
        indexes=indexes,
        again=again,
        allow_empty=allow_empty,
    )


def _check_properties(file: Path, to: str) -> None:
    """Refuses a properties file that could not be written after the load."""
    check_replaceable(file)
    if not capabilities(to).read_by_analyst:
        raise UsageError("--properties needs a SQLite or MySQL destination")


def _is_among(to: str, outputs: Iterable[Path]) -> bool:
    """Whether a SQLite destination is one of OUTPUTS."""
    named = to.startswith(_SQLITE) and Path(to.removeprefix(_SQLITE)).resolve()
    return any(named == path.resolve() for path in outputs if path.is_file())
