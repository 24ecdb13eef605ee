"""What jobs leave, one module a format; each offers a `cpexport.batch.Source`.

A new format needs its module here, and a line in `cpexport.discover` that tells its files. A
process that decodes one format imports that one only.
"""
