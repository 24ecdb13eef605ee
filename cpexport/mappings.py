"""Whether the paths in a batch file are those of the cluster, as CreateBatchFiles was told.

CellProfiler 5 (5.0.0.dev784) does not apply its mappings to all of them: LoadData's PathName_ and
URL_ both stay, and NamesAndTypes' URL_, which jobs read, while PathName_ is mapped.
"""

import re
from collections.abc import Iterator

from cpexport.batchfile import BatchFile
from cpexport.features import IMAGE
from cpexport.measurements import MeasurementFile
from cpexport.paths import to_path

_SLASHES = re.compile(r"[\\/]+")


def wrong_paths(batch_file: BatchFile) -> Iterator[str]:
    """What is wrong with the folders of a batch file's pictures, a sentence for each feature.

    Raises:
        SourceError: it is damaged.
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
                            f"{feature}, which jobs read, says {urls[number]} and {path_name} says "
                            f"{path} (image set {number})"
                        )
                        break


def _not_mapped(feature: str, folders: set[str], batch_file: BatchFile) -> Iterator[str]:
    for local, cluster in batch_file.path_mappings:
        root, other = _plain(local), _plain(cluster)
        left = [f for f in folders if _begins(f, root) and not _begins(f, other)]
        if left:
            yield (
                f"{feature} still says {min(left)}, though {local} is {cluster} on the cluster: "
                "CreateBatchFiles has not applied its mappings, as CellProfiler 5 does not"
            )


def _folders(file: MeasurementFile, feature: str) -> dict[int, str]:
    """The folder of each image set's picture, where it is a file's."""
    numbers, values = file.one_each(IMAGE, feature)
    found = {}
    for number, value in zip(numbers.tolist(), map(str, values.tolist()), strict=True):
        if not feature.startswith("URL_"):
            found[number] = _plain(value)
        elif value.lower().startswith("file:"):
            found[number] = _plain(_plain(to_path(value)).rpartition("/")[0])
    return found


def _plain(folder: str) -> str:
    """A folder with single slashes and none at its end, to be compared."""
    return _SLASHES.sub("/", folder).rstrip("/")


def _begins(folder: str, root: str) -> bool:
    return folder == root or folder.startswith(f"{root}/")
