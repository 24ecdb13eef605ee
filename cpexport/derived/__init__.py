"""Computes wells, group numbers and CellProfiler Analyst's files from a loaded destination.

Views for other tools change with their tables in one transaction, and carry a mark. A name that
somebody else's table or view has is left to its owner.
"""
