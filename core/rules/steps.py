"""One step of a rule: a target in the profile, an operation, and where its operand comes from. Pure."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from trackd.config.settings import Limits
from trackd.core.documents import JsonObject
from trackd.core.json_values import is_number, same
from trackd.core.rules.conditions import Roots
from trackd.core.rules.consents import CONSENTS, EventTime, answer, is_repetition, is_withdrawn, last_arrival
from trackd.core.rules.conversion import converted
from trackd.core.rules.draft import Draft, NotAnObjectError, json_size
from trackd.core.rules.operations import LIST_OPERATIONS, OPERATIONS, StepError, kind
from trackd.core.rules.paths import MISSING, Path, look_up, path_text
from trackd.core.work import DECIMAL_SUM, KEY, STRUCTURE_BYTE

EACH = "*"
COUNTERS = ("stats", "counters")
SUMS = frozenset(["increment", "decrement"])
STRUCTURES = frozenset([dict, list])

Taken = Sequence[tuple[Path, StepError | None]]
"""Each path that changed, and each that could not be changed, with the reason."""


class Operand(Struct, frozen=True):
    """A literal `value` (MISSING for none), or the value at the path `source`."""

    value: Any
    source: Path | None = None

    def get(self, roots: Roots, *, takes_null: bool = False) -> Any:
        """Raises StepError when the source has no value, or a null unless that is taken."""
        if self.source is None:
            return self.value
        value = look_up(roots, self.source)
        if value is MISSING or (value is None and not takes_null):
            raise StepError(f"{path_text(self.source)} is missing", notable=False)
        if self.source[0] == "profile" and isinstance(value, dict | list):
            # It would be the draft's own, and a rule could put it into itself, deeper with each call.
            raise StepError(f"{path_text(self.source)} is {kind(value)}: a profile gives single values only")
        return value


class Step(Struct, frozen=True):
    """Changes a value. If `target` ends in `*`, the operand is an object with a target for each key.

    `conversion`: to what type the values of the operand are converted. `nulls_unset`: whether a null removes the value
    of its target; otherwise it changes nothing.
    """

    target: Path
    op: str
    operand: Operand
    conversion: str | None = None
    nulls_unset: bool = False

    def take(self, draft: Draft, roots: Roots, time: EventTime, limits: Limits) -> Taken:
        try:
            targets = self._targets(draft, roots, limits)
        except StepError as error:
            return [(self.target, error)]
        taken: list[tuple[Path, StepError | None]] = []
        for path, value in targets:
            try:
                if self.conversion is not None and value is not None:
                    value, errors = self._converted(value, self.conversion, limits)
                    taken += [(path, error) for error in errors]
                    if errors and not value:
                        continue
                if self._change(draft, path, value, limits):
                    taken.append((path, None))
            except StepError as error:
                taken.append((path, error.with_traceback(None)))  # which would keep its frames
        return taken

    def _converted(self, operand: Any, to: str, limits: Limits) -> tuple[Any, list[StepError]]:
        """The converted operand. A list loses the items that cannot be converted; each has an error."""
        if self.op not in LIST_OPERATIONS or not isinstance(operand, list):
            return converted(operand, to), []
        if len(operand) > limits.max_list_items:
            raise StepError(
                f"a list of more than {limits.max_list_items} items is not converted (limits.max_list_items)"
            )
        items, errors = [], []
        for item in operand:
            try:
                items.append(converted(item, to))
            except StepError as error:
                errors.append(error.with_traceback(None))
        return items, errors

    def _targets(self, draft: Draft, roots: Roots, limits: Limits) -> list[tuple[Path, Any]]:
        """The targets with their operands. An operand of None is a null that removes the value."""
        if self.target[-1] != EACH:
            return [(self.target, self.operand.get(roots, takes_null=self.nulls_unset))]
        entries = _entries(self.operand.get(roots), limits, with_nulls=self.nulls_unset)
        draft.work += KEY * len(entries)
        return [((*self.target[:-1], key), value) for key, value in entries.items()]

    def _change(self, draft: Draft, path: Path, operand: Any, limits: Limits) -> bool:
        before = draft.get(path)
        if isinstance(operand, dict) and self.operand.source is not None and self.operand.source[0] == "session":
            draft.charge_comparison(operand)  # one of the event is compared once, this one for each event
        elif type(operand) in STRUCTURES:
            draft.work += STRUCTURE_BYTE * json_size(operand)
        operate = OPERATIONS["unset" if operand is None else self.op]
        after = operate(before, operand, limits.max_list_items, draft.lists)
        if self.op in SUMS and type(after) is float:
            draft.work += DECIMAL_SUM
        if after is before or (after is not MISSING and before is not MISSING and same(after, before)):
            return False
        if path[:2] == COUNTERS:
            _check_counter(draft, before, after, limits.max_profile_counters)
        try:
            if after is MISSING:
                draft.delete(path)
            else:
                draft.put(path, after)
        except NotAnObjectError as error:
            raise StepError(f"{error} in it is not an object") from None
        return True


class ConsentStep(Struct, frozen=True):
    """Grants or withdraws one consent, or each key of the operand if `consent` is `*`.

    `conversion` and `nulls_unset`: as in `Step`; a consent whose value is removed is withdrawn.
    """

    consent: str
    op: str
    operand: Operand
    valid_for_days: int | None = None
    conversion: str | None = None
    nulls_unset: bool = False

    @property
    def target(self) -> Path:
        return (CONSENTS, self.consent)

    def take(self, draft: Draft, roots: Roots, time: EventTime, limits: Limits) -> Taken:
        try:
            values = self._values(roots, limits)
        except StepError as error:
            return [(self.target, error)]
        if self._is_repetition(draft, values):
            return ()
        taken: list[tuple[Path, StepError | None]] = []
        answers = self._answers(draft, values)
        for consent, value in values.items():
            if self.op != "unset" and not isinstance(value, bool | None):
                taken.append(((CONSENTS, consent), StepError(f"a consent is true or false, this is {kind(value)}")))
        answered = answer(draft, answers, time, self.valid_for_days, limits.max_consent_history)
        taken += [((CONSENTS, consent), None) for consent in answered.changed]
        taken += [((CONSENTS, consent), StepError("it was withdrawn since then")) for consent in answered.outdated]
        return taken

    def withdraw(self, draft: Draft, roots: Roots, time: EventTime, limits: Limits) -> list[Path]:
        """Withdraw consents that are granted or withdrawn already, and nothing else: a full profile can take that."""
        try:
            values = self._values(roots, limits)
        except StepError:
            return []
        ended = {
            consent: False
            for consent, granted in self._answers(draft, values).items()
            if not granted and (consent in draft.doc[CONSENTS] or is_withdrawn(draft, consent))
        }
        answered = answer(draft, ended, time, None, limits.max_consent_history)
        return [(CONSENTS, consent) for consent in answered.changed]

    def repeated(self, draft: Draft, roots: Roots, limits: Limits) -> tuple[tuple[str, ...], str] | None:
        """The consents that the step would withdraw again, and from when on its grants count.

        None if it would change more than the arrival of withdrawals. `take` skipped nothing for the same event.
        """
        values = self._values(roots, limits)
        if self._is_repetition(draft, values):
            return (), ""
        withdrawn, since = [], ""
        for consent, granted in self._answers(draft, values).items():
            known = draft.doc[CONSENTS].get(consent)
            if granted:
                if known is None or "expires" in known:
                    return None
                since = max(since, last_arrival(draft, consent))
            elif known is not None or not is_withdrawn(draft, consent):
                return None
            else:
                withdrawn.append(consent)
        return tuple(withdrawn), since

    def _is_repetition(self, draft: Draft, values: JsonObject) -> bool:
        return self.op == "set" and self.valid_for_days is None and is_repetition(draft, values)

    def _answers(self, draft: Draft, values: JsonObject) -> dict[str, bool]:
        """Which consents are granted and which withdrawn."""
        answers: dict[str, bool] = {}
        for consent, value in values.items():
            if self.op == "unset" or value is None:
                answers[consent] = False
            elif isinstance(value, bool) and (self.op == "set" or consent not in draft.doc[CONSENTS]):
                answers[consent] = value
        return answers

    def _values(self, roots: Roots, limits: Limits) -> JsonObject:
        """The answer for each consent. One that cannot be converted stays as it is."""
        if self.consent == EACH:
            values = _entries(self.operand.get(roots), limits, with_nulls=self.nulls_unset)
        else:
            values = {self.consent: self.operand.get(roots, takes_null=self.nulls_unset)}
        if self.conversion is not None:
            values = dict(values)
            for consent, value in values.items():
                with suppress(StepError):
                    values[consent] = None if value is None else converted(value, self.conversion)
        return values


def _entries(operand: Any, limits: Limits, *, with_nulls: bool) -> JsonObject:
    """The keys of an object with their values."""
    if not isinstance(operand, dict):
        raise StepError(f"it needs an object, this is {kind(operand)}")
    if len(operand) > limits.max_list_items:
        raise StepError(f"the object has more than {limits.max_list_items} keys (limits.max_list_items)")
    if not with_nulls and None in operand.values():
        return {key: value for key, value in operand.items() if value is not None}
    return operand


def _check_counter(draft: Draft, before: Any, after: Any, max_counters: int) -> None:
    if after is not MISSING and not is_number(after):
        raise StepError(f"a counter is a number, this is {kind(after)}")
    if before is MISSING and len(draft.doc["stats"]["counters"]) >= max_counters:
        raise StepError(f"the profile has {max_counters} counters (limits.max_profile_counters)")
