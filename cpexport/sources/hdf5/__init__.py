"""Reads measurement files (.h5)."""
