"""Computes wells, group numbers and CellProfiler Analyst's files from a loaded destination."""
