"""Reads the "MySQL / CSV" files of ExportToDatabase."""
