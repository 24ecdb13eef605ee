"""Checks that CreateBatchFiles applied its path mappings to the paths in a batch file.

CellProfiler 5 (5.0.0.dev784) does not apply them to all paths. With LoadData neither PathName_ nor
URL_ is mapped. With NamesAndTypes PathName_ is mapped, but URL_, which jobs read, is not.
"""

import re
from collections.abc import Iterator

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile
from cpexport.tables.path_map import to_path

_SLASHES = re.compile(r"[\\/]+")


def wrong_paths(batch_file: BatchFile) -> Iterator[str]:
    """Yields what is wrong with the image folders in a batch file, a sentence for each feature.

    Raises:
        SourceError: the batch file is damaged.
    """
    with MeasurementFile(batch_file.path) as file:
        features = file.features(IMAGE)
        for feature in features:
            if not feature.startswith("URL_"):
                continue
            urls = _folders(file, feature)
            yield from _not_mapped(feature, set(urls.values()), batch_file)
            path_name = feature.replace("URL_", "PathName_", 1)
            if path_name in features:
                paths = _folders(file, path_name)
                yield from _not_mapped(path_name, set(paths.values()), batch_file)
                for number, path in paths.items():
                    if path and number in urls and path != urls[number]:
                        yield (
                            f"{feature}, which jobs read, is {urls[number]}, but {path_name} "
                            f"is {path} (image set {number}); correct the image list and "
                            "create the batch file again"
                        )
                        break


def _not_mapped(feature: str, folders: set[str], batch_file: BatchFile) -> Iterator[str]:
    for local, cluster in batch_file.path_mappings:
        from_root, to_root = _plain(local), _plain(cluster)
        left = [f for f in folders if _begins(f, from_root) and not _begins(f, to_root)]
        if left:
            yield (
                f"{feature} still contains {min(left)}, although {local} is {cluster} on the "
                "cluster: CreateBatchFiles has not applied its mappings, as in CellProfiler "
                "5; load the images under their cluster paths and create the batch file again"
            )


def _folders(file: MeasurementFile, feature: str) -> dict[int, str]:
    """The folder of each image set's image, if the image is a file."""
    numbers, values = file.one_each(IMAGE, feature)
    folders = {}
    for number, value in zip(numbers.tolist(), map(str, values.tolist()), strict=True):
        if not feature.startswith("URL_"):
            folders[number] = _plain(value)
        elif value.lower().startswith("file:"):
            folders[number] = _plain(_plain(to_path(value)).rpartition("/")[0])
    return folders


def _plain(folder: str) -> str:
    """Returns a folder with single slashes and none at its end, for comparison."""
    return _SLASHES.sub("/", folder).rstrip("/")


def _begins(folder: str, root: str) -> bool:
    return folder == root or folder.startswith(f"{root}/")
