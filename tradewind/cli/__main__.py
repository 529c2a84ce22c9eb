"""`python -m tradewind.cli`: the same command line without an installed script."""

from tradewind.cli.main import main

main()
