"""`python -m cpexport`."""

from cpexport.cli import main

main()
