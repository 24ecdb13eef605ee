"""CellProfiler's measurement files (HDF5)."""
