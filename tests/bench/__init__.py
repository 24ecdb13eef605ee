"""`make bench`: cpexport beside what reading and writing cost at least, and beside its peers."""
