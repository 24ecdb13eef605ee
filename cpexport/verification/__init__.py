"""Compares a destination with the outputs that it was loaded from."""
