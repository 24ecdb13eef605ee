"""Contracts: test classes that the tests of each format, destination or script inherit."""
