"""Scripts for SQLite's shell."""
