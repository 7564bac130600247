"""The output of `trackd rules apply`, line by line."""

from collections.abc import Iterator

from trackd.core.jobs import Job


def application_lines(job: Job) -> Iterator[str]:
    """`job` is one of the kind `apply_rules` that is done."""
    result = job.result
    evaluated, entered, left, failed = (result[key] for key in ("evaluated", "entered", "left", "failed"))
    yield f"Evaluated {_profiles(job.done)} again."
    former = [segment for segment in left if segment not in evaluated]
    for segment in (*evaluated, *former):
        line = f"  {segment}: {entered.get(segment, 0)} entered, {left.get(segment, 0)} left"
        if segment in failed:
            line += f", its condition failed for {failed[segment]}"
        yield f"{line} (the rules no longer have it)" if segment in former else line
    if result["not_evaluated"]:
        yield f"Not evaluated, as their conditions read more than the profile: {', '.join(result['not_evaluated'])}."
    if result["faults"]:
        yield f"Failed for {_profiles(result['faults'])}: the log has the faults, that of the server if one runs."


def _profiles(number: int) -> str:
    return "1 profile" if number == 1 else f"{number} profiles"
