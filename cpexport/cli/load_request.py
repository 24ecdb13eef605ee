"""Turns the options of a command line into a `LoadRequest`."""

from typing import TYPE_CHECKING, Any

from cpexport.errors import UsageError

if TYPE_CHECKING:
    from cpexport.loading.request import LoadRequest

_SHAPE = ("objects", "aggregate", "max_column_length", "numbered")


def load_request(words: dict[str, Any], to: str, *, allow_empty: bool = False) -> "LoadRequest":
    """Returns the request in `words`, the values that click passes; a command may lack options.

    Raises:
        UsageError: there are no outputs, or an option is invalid.
        SourceError: the batch file, which --path-map needs, cannot be read.
    """
    from cpexport.derived.wells import Wells
    from cpexport.loading.request import LoadRequest
    from cpexport.loading.succession import Consent
    from cpexport.tables.options import TableOptions
    from cpexport.tables.path_map import read_path_map

    outputs, batch_file = words["outputs"], words["batch_file"]
    if not outputs:
        raise UsageError("name the folder that holds the jobs' outputs")
    shape: dict[str, Any] = {name: words.get(name) for name in _SHAPE}
    paths, kinds = words.get("path_map"), words.get("kinds")
    places = words.get("plate"), words.get("well")
    wells = None
    if "kinds" in words:
        wells = Wells((), *places) if kinds is None else Wells.parse(kinds, *places)
    return LoadRequest(
        outputs=outputs,
        to=to,
        batch_file=batch_file,
        prefix=words["prefix"],
        shape=TableOptions.parse(**shape) if any(shape.values()) else None,
        paths=read_path_map(paths, batch_file) if paths else None,
        wells=wells,
        consent=Consent(words["same_pictures"], words.get("replace", False)),
        allow_empty=allow_empty,
    )
