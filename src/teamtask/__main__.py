"""`python -m teamtask` is the command line."""

from teamtask.cli.main import main

main()
