"""`python -m cli` is `ovr`."""

from cli.main import main

main()
