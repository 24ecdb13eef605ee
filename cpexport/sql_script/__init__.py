"""Writes CSV files, and a script with which a database's own client imports them.

The folder holds a destination of its own, and its files are what that holds. The script is written
last. It knows batches by the digest of their files, and locks what loads lock.

`manifest` says what a script imports; `folder` keeps the files, `csv_writer` writes their text, and
`mysql`, `sqlite` and `cpa` write the scripts. `stops` are the reasons for which a script stops, and
`readme` explains them to the person who runs it.
"""
