"""Reads the SQLite files of ExportToDatabase."""
