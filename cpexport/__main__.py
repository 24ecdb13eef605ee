"""`python -m cpexport`."""

from cpexport.cli.main import main

if __name__ == "__main__":
    main()
