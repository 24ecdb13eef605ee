"""CSV files and the scripts that import them: `import.sql` for a client that has only them.

What a script holds is in `contents`; `folder` keeps the files, `csvtext` makes their text, and a
module for each kind of script writes its own.
"""
