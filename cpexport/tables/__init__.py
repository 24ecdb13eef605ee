"""The tables of a destination, whatever its kind: layout, options, types."""
