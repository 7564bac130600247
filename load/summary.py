"""A run as one JSON document, and as sentences."""

from http import HTTPStatus
from typing import Any

from trackd.load.history import CUT, OK, History
from trackd.load.measures import PERCENTILES, Interval
from trackd.load.run import Result
from trackd.load.verdict import Rule


def summary(result: Result) -> dict[str, Any]:
    """The document that `--json` writes."""
    plan, measures, verdict = result.plan, result.measures, result.verdict
    mix = plan.mix
    return {
        "url": plan.target.url,
        "urls": [target.url for target in plan.targets],
        "source": plan.source_id,
        "run": result.history.run,
        "options": {
            "clients": mix.clients,
            "duration_s": plan.duration_s,
            "calls": plan.calls,
            "profiles": mix.profiles,
            "sessions_per_profile": mix.sessions_per_profile,
            "events_per_call": plan.events_per_call,
            "hot": mix.hot,
            "retries": mix.retries,
            "first_calls": mix.first_calls,
            "rate": plan.rate,
            "seed": mix.seed,
        },
        "duration_s": measures.duration_s,
        "answers": measures.answers,
        "answers_per_s": measures.throughput,
        "latency_ms": latencies(result),
        "retries": measures.retries,
        "connections_cut": measures.cut,
        "connections_lost": measures.lost,
        "statuses": {str(status): count for status, count in sorted(measures.statuses.items())},
        "unanswered_calls": unanswered(result.history),
        "never_sent": measures.late,
        "profiles": sum(bool(profile_id) for profile_id in result.history.profile_ids),
        "server_gone": result.server_gone,
        "verdict": {
            "violations": {rule.name.lower(): verdict.counts.get(rule, 0) for rule in verdict.judged},
            "read_back": result.not_read_back or "done",
            "shortest": shortest(result),
        },
        "seconds": [_second(each) for each in measures.intervals],
    }


def _second(interval: Interval) -> dict[str, float]:
    return {
        "at_s": interval.began,
        "answers_per_s": interval.rate,
        "errors": interval.errors,
        "p50_ms": interval.p50_ms,
        "p99_ms": interval.p99_ms,
        "max_ms": interval.max_ms,
    }


def latencies(result: Result) -> dict[str, float]:
    return {f"p{percentile:g}": result.measures.percentile_ms(percentile) for percentile in PERCENTILES}


def unanswered(history: History) -> int:
    """The number of calls that were never answered 200."""
    calls = set(history.call)
    return len(calls - {call for call, status in zip(history.call, history.status, strict=True) if status == OK})


def shortest(result: Result) -> dict[str, Any] | None:
    violation = result.verdict.shortest
    if violation is None:
        return None
    history = result.history
    return {
        "rule": violation.rule.name.lower(),
        "sentence": violation.sentence,
        "attempts": [attempt_document(history, attempt) for attempt in violation.attempts],
    }


def attempt_document(history: History, attempt: int) -> dict[str, Any]:
    """An attempt in full. Times are seconds since the first one was sent."""
    call, claimed = history.call[attempt], history.claimed[attempt]
    answered, profile = history.answered[attempt], history.profile[attempt]
    return {
        "client": history.client[attempt],
        "sent_s": round(history.sent[attempt] - history.sent[0], 6),
        "answered_s": round(answered - history.sent[0], 6) if history.status[attempt] > 0 else None,
        "session": history.session_id(history.session[attempt]),
        "told_profile": history.profile_ids[claimed] if claimed >= 0 else None,
        "events": [history.event_id(call, position) for position in range(history.events_per_call)],
        "outcome": outcome(history.status[attempt]),
        "profile": history.profile_ids[profile] if profile >= 0 else None,
        "seq": history.seqs_of(attempt) if history.status[attempt] == OK else None,
        "saved": history.saved[attempt] if history.status[attempt] == OK else None,
    }


def outcome(status: int) -> str:
    if status > 0:
        return str(status)
    return "cut by the client" if status == CUT else "no answer"


def lines(result: Result) -> list[str]:
    """The figures of a run as sentences, without the verdict."""
    measures, plan = result.measures, result.plan
    sentences = [
        f"{measures.answers:,} answers in {measures.duration_s:.1f} s: {measures.throughput:,.0f} a second",
        "latency in ms: " + ", ".join(f"{name} {value:.1f}" for name, value in latencies(result).items()),
        f"{measures.retries} calls sent again, {measures.cut} of them after a connection that was cut on purpose",
    ]
    if plan.rate is not None:
        sentences[1] += f" (open loop, {plan.rate:g} calls a second, from when each was due)"
    sentences += [
        f"{count} answers {status} {_phrase(status)}".rstrip()
        for status, count in sorted(measures.statuses.items())
        if status != OK
    ]
    if measures.lost:
        sentences.append(f"{measures.lost} connections were lost with a call in flight")
    if missing := unanswered(result.history):
        sentences.append(f"{missing} calls were never answered")
    if measures.late:
        sentences.append(f"{measures.late} calls were due and never sent: the server did not keep up with the rate")
    return sentences


def _phrase(status: int) -> str:
    return f"({HTTPStatus(status).phrase})" if status in set(HTTPStatus) else ""


def judged(result: Result) -> list[tuple[str, str]]:
    """Each rule with its verdict: it holds, it was broken so many times, or it was not checked."""
    counts = result.verdict.counts
    rows = [(rule.value, f"broken: {counts[rule]}" if rule in counts else "holds") for rule in result.verdict.judged]
    if not result.verdict.read_back:
        rows.append((Rule.READ_BACK.value, f"not checked: {result.not_read_back}"))
    return rows
