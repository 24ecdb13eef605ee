"""Opens only groups and datasets that an HDF5 file itself contains.

HDF5 silently follows links to other files and to other places in the same file, and fetches values
from files that a dataset names (external storage, virtual datasets; HDF5 File Format Specification
3.0, IV.A.2). CellProfiler writes none of these, so all are refused: a person who can write a
measurement file must not decide which other files are loaded.
"""

import h5py


class LeadsElsewhereError(Exception):
    """Something in a file leads to another place or another file."""


def members(group: h5py.h5g.GroupID) -> list[bytes]:
    """The names in a group, in HDF5's order.

    Raises:
        LeadsElsewhereError: a name is a link.
    """
    names_and_types: list[tuple[bytes, int]] = []

    def note(name: bytes, info: h5py.h5l.LinkInfo) -> None:
        names_and_types.append((name, info.type))

    group.links.iterate(note, info=True)
    for name, type in names_and_types:
        _check_not_external(group, name, type)
    return [name for name, _ in names_and_types]


def group_in(group: h5py.h5g.GroupID, name: bytes) -> h5py.h5g.GroupID:
    """Opens the group of this name in a group.

    Raises:
        LeadsElsewhereError: the name is a link.
        KeyError: the group does not exist. h5py raises other errors if it is damaged or not a
            group.
    """
    _check_not_external(group, name, group.links.get_info(name).type)
    return h5py.h5g.open(group, name)


def dataset_in(group: h5py.h5g.GroupID, name: bytes) -> h5py.h5d.DatasetID:
    """Opens the dataset of this name in a group.

    Raises:
        LeadsElsewhereError: the name is a link, or the values are in other files.
        KeyError: the dataset does not exist. h5py raises other errors if it is damaged or not a
            dataset.
    """
    _check_not_external(group, name, group.links.get_info(name).type)
    dataset = h5py.h5d.open(group, name)
    creation = dataset.get_create_plist()
    if creation.get_layout() == h5py.h5d.VIRTUAL or creation.get_external_count():
        raise LeadsElsewhereError(f"{_shown(group, name)} stores its values in other files")
    return dataset


def _check_not_external(group: h5py.h5g.GroupID, name: bytes, type: int) -> None:
    if type != h5py.h5l.TYPE_HARD:
        where = "another file" if type == h5py.h5l.TYPE_EXTERNAL else "another place"
        raise LeadsElsewhereError(f"{_shown(group, name)} is a link to {where}")


def _shown(group: h5py.h5g.GroupID, name: bytes) -> str:
    path = b"/".join([h5py.h5i.get_name(group) or b"", name])
    return repr(path.decode("utf-8", "replace"))
