"""Check, and load into one database, what CellProfiler's batch jobs left."""

__version__ = "0.1.0"
