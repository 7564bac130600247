"""The program `trackd-worker` of the binary: a process that trackd starts."""

from trackd.storage.workers.main import main

main()
