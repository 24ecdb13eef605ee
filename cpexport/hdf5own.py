"""Groups and datasets that an HDF5 file really holds itself.

HDF5 follows links to other files and to other places in the same one, and fetches values from files
that a dataset names (external storage, virtual datasets), all without a word (HDF5 File Format
Specification 3.0, IV.A.2). CellProfiler writes none of these, so all of them are refused: whoever
can write a measurement file must not decide which other files are loaded.
"""

import h5py


class LeadsElsewhereError(Exception):
    """Something in a file leads out of its place, or out of the file."""


def members(group: h5py.h5g.GroupID) -> list[bytes]:
    """The names in a group, in the order that HDF5 keeps.

    Raises:
        LeadsElsewhereError: one is a link.
    """
    found: list[tuple[bytes, int]] = []

    def note(name: bytes, info: h5py.h5l.LinkInfo) -> None:
        found.append((name, info.type))

    group.links.iterate(note, info=True)
    for name, type in found:
        _refuse_link(group, name, type)
    return [name for name, _ in found]


def group_in(group: h5py.h5g.GroupID, name: bytes) -> h5py.h5g.GroupID:
    """The group of this name in a group.

    Raises:
        LeadsElsewhereError: it is a link.
        KeyError: it is not there. h5py raises others where it is damaged or no group.
    """
    _refuse_link(group, name, group.links.get_info(name).type)
    return h5py.h5g.open(group, name)


def dataset_in(group: h5py.h5g.GroupID, name: bytes) -> h5py.h5d.DatasetID:
    """The dataset of this name in a group.

    Raises:
        LeadsElsewhereError: it is a link, or its values are in other files.
        KeyError: it is not there. h5py raises others where it is damaged or no dataset.
    """
    _refuse_link(group, name, group.links.get_info(name).type)
    dataset = h5py.h5d.open(group, name)
    made = dataset.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count():
        raise LeadsElsewhereError(f"{_shown(group, name)} takes its values from other files")
    return dataset


def _refuse_link(group: h5py.h5g.GroupID, name: bytes, type: int) -> None:
    if type != h5py.h5l.TYPE_HARD:
        where = "another file" if type == h5py.h5l.TYPE_EXTERNAL else "somewhere else"
        raise LeadsElsewhereError(f"{_shown(group, name)} is a link to {where}")


def _shown(group: h5py.h5g.GroupID, name: bytes) -> str:
    path = b"/".join([h5py.h5i.get_name(group) or b"", name])
    return repr(path.decode("utf-8", "replace"))
