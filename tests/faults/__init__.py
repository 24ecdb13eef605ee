"""A matrix of faults: each kind, injected into loads and scripts for each destination.

After each fault the same command runs again, and plain drivers compare what it left with what a
command without a fault leaves. `python -m faults` prints the matrix (`make faults`).
"""
