"""The program `trackd` of the binary."""

from trackd.cli.main import main

main()
