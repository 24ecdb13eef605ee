"""What CellProfiler writes and what it means: features, pipelines, measurement files."""
