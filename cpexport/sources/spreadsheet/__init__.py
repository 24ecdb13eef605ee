"""Reads the CSV files of ExportToSpreadsheet."""
