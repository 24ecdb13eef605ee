"""A differential fuzzer: random screens, written as CellProfiler writes them, loaded every way.

An oracle that shares no code with the package says what each destination must then hold.
"""
