"""Readers of the formats that jobs write, one package per format, each with a `Source`.

`cpexport.sources.base` defines `Source`. A new format needs a package here, a rule in
`cpexport.sources.folder` that recognizes its files, and a branch in `folder_sources` that makes its
sources. A process that decodes one format imports only that format.
"""
