"""Destinations, one package for each kind."""
