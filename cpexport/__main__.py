"""`python -m cpexport`."""

from cpexport.cli import main

if __name__ == "__main__":
    main()
