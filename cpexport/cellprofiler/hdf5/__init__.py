"""CellProfiler's measurement files (HDF5).

h5py opens every file and is the reference. `link_check` alone opens groups and datasets, and
refuses what CellProfiler never writes. `file_map` reads past h5py only what is byte by byte as
CellProfiler's HDF5 writes it, and raises `UnsupportedLayoutError` for anything else.
"""
