"""Opens only groups and datasets that an HDF5 file itself contains, each under one name.

HDF5 silently follows links to other files and to other places in the same file, and fetches values
from files that a dataset names (external storage, virtual datasets; HDF5 File Format Specification
3.0, IV.A.2). A second hard link to a group can make it contain itself. CellProfiler writes none of
these, so all are refused: a person who can write a measurement file must not decide which other
files are loaded, nor keep cpexport busy for ever.
"""

from typing import Final

import h5py

from cpexport.cellprofiler.hdf5.storage_check import NeverWrittenError, check_storage, shown

MOST_MEMBERS: Final = 100_000
"""The most names in a group; a run with many channels has 10,000 features of an object type."""


class LeadsElsewhereError(NeverWrittenError):
    """Something in a file leads to another place or another file."""


def members(group: h5py.h5g.GroupID) -> list[bytes]:
    """The names in a group, in HDF5's order.

    Raises:
        LeadsElsewhereError: a name is a link.
        NeverWrittenError: the group has too many names.
    """
    if group.get_num_objs() > MOST_MEMBERS:
        raise NeverWrittenError(f"{shown(group)} has more than {MOST_MEMBERS:,} members")
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
        LeadsElsewhereError: the name is a link, or the group also has another name.
        KeyError: the group does not exist. h5py raises other errors if it is damaged or not a
            group.
    """
    _check_is_own(group, name)
    return h5py.h5g.open(group, name)


def dataset_in(group: h5py.h5g.GroupID, name: bytes) -> h5py.h5d.DatasetID:
    """Opens the dataset of this name in a group.

    Raises:
        LeadsElsewhereError: the name is a link, the dataset also has another name, or its values
            are in other files.
        NeverWrittenError: its values are stored as CellProfiler never stores them.
        KeyError: the dataset does not exist. h5py raises other errors if it is damaged or not a
            dataset.
    """
    _check_is_own(group, name)
    dataset = h5py.h5d.open(group, name)
    creation = dataset.get_create_plist()
    if creation.get_layout() == h5py.h5d.VIRTUAL or creation.get_external_count():
        raise LeadsElsewhereError(f"{shown(group, name)} stores its values in other files")
    check_storage(dataset, creation)
    return dataset


def _check_not_external(group: h5py.h5g.GroupID, name: bytes, type: int) -> None:
    if type != h5py.h5l.TYPE_HARD:
        where = "another file" if type == h5py.h5l.TYPE_EXTERNAL else "another place"
        raise LeadsElsewhereError(f"{shown(group, name)} is a link to {where}")


def _check_is_own(group: h5py.h5g.GroupID, name: bytes) -> None:
    # `h5o.get_info` would read all trees and heaps of what the name leads to.
    names = h5py.h5g.get_objinfo(group, name, follow_link=False).nlink
    if names == 1:
        return
    _check_not_external(group, name, group.links.get_info(name).type)
    raise LeadsElsewhereError(f"{shown(group, name)} is in {names} places of the file")
