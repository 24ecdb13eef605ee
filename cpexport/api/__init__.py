"""The functions of the package, which the commands of the command line call, too."""
