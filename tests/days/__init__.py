"""Random days of a cluster: plans, submissions, deaths, moves and full disks, against an oracle.

A day runs the real commands and the scripts that they write. Played are Slurm (`slurm`), whose
jobs are processes that the day begins and ends when it likes (`cluster`), and CellProfiler
(`cellprofiler`, which writes what `outputs` says). `truth` knows the rules by itself, and looks
after each event whether they were kept.
"""
