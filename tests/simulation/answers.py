"""Whether an answer is one that the contract allows for its request."""

from tests.simulation.comparing import content
from tests.simulation.contention import Contention
from tests.simulation.model import Effect, Model
from tests.simulation.node import Node
from tests.simulation.observed import Observed
from tests.simulation.violation import Violation, check
from trackd.actors import messages
from trackd.actors.messages import Erased, Fetched, Reason, Refused
from trackd.core.calls import Answer, Rejected, Track, Tracked


class Answers:
    def __init__(self, model: Model, contention: Contention, *, looks_up: bool) -> None:
        self._model = model
        self._contention = contention
        self._looks_up = looks_up
        self.answered_up_to: dict[int, int] = {}
        """The highest `seq` that was answered, by the birth of each profile."""

    def check(self, node: Node, observed: Observed, answer: Answer) -> None:
        """Compare the answer of a node with the model."""
        match answer:
            case Tracked():
                self._tracked(observed, answer)
            case Rejected():
                check(observed.effect is None, f"{answer} is on disk: {observed.effect}")
                check(self.rejects(observed), f"{answer} is an answer to {observed.request}")
            case Refused():
                self._refused(node, observed, answer)
            case Erased():
                self._erased(observed, answer)
            case messages.Reevaluated():
                self._reevaluated(observed, answer)
            case Fetched():
                self._fetched(observed, answer)
            case messages.Administered():
                pass
            case _:
                raise Violation(f"unexpected answer {answer}")

    def _tracked(self, observed: Observed, answer: Tracked) -> None:
        call = observed.request
        assert isinstance(call, Track)
        check(not self.rejects(observed), f"call {call.number} takes too much work, and is answered {answer}")
        effects = observed.empty_effects if observed.effect is None else [observed.effect]
        check(effects, f"call {call.number} is answered before it is on disk")
        listed = [(event.id, event.seq, event.saved) for event in answer.events]
        shown = content(answer.profile) if answer.profile is not None else None
        logs = [entry.message for entry in answer.report.logs if entry.message.startswith("duplicate")]
        content_of_answer = (
            answer.profile_id, answer.session_id, listed, logs, answer.profile_saved, answer.session_saved, shown
        )  # fmt: skip
        fitting = [effect for effect in effects if content_of_answer == _expected_answer(call, effect)]
        expected = _expected_answer(call, effects[-1])
        check(fitting, f"call {call.number} is answered {content_of_answer}, and should be {expected}")
        effect = fitting[-1]
        birth = effect.profile.birth
        new = [seq for _, seq, saved in listed if saved]
        if new:
            highest = observed.min_seqs.get(birth, 0)
            check(min(new) > highest, f"call {call.number} has {new}, after {highest}")
            self.answered_up_to[birth] = max(self.answered_up_to.get(birth, 0), *new)

    def rejects(self, observed: Observed) -> bool:
        return isinstance(observed.request, Track) and self._model.rejects(observed.request, observed.rules)

    def _refused(self, node: Node, observed: Observed, answer: Refused) -> None:
        number, done = answer.number, observed.effect or observed.erased or observed.segments
        check(done is None or observed.may_be_refused, f"{number} is refused, and is on disk: {done}")
        if answer.reason is Reason.STORE_FAILED:
            check(node.failures > observed.failures, f"{number} is refused, and the store had not failed")
        else:
            check(answer.reason is Reason.CONTENDED, f"{number} is refused: {answer.reason}")
            check(
                self._contention.has_met(observed.node, observed.contention),
                f"{number} is refused as contended, and no other write contended with it",
            )

    def _erased(self, observed: Observed, answer: Erased) -> None:
        assert isinstance(observed.request, messages.Erase)
        if answer.profile_id is not None:
            check(observed.erased == answer.profile_id, f"{answer} is answered before it is on disk")
        else:
            living = self._model.living(observed.request.profile_id)
            check(living is None or observed.was_absent, f"{observed.request} finds no profile, and {living} exists")

    def _reevaluated(self, observed: Observed, answer: messages.Reevaluated) -> None:
        request = observed.request
        assert isinstance(request, messages.Reevaluate)
        if answer.profile_id is None:
            living = self._model.living(request.profile_id)
            check(living is None or observed.was_absent, f"{request} finds no profile, and {living} exists")
            return
        changes = answer.segment_changes
        entered = frozenset(change.segment for change in changes if change.entered)
        left = frozenset(change.segment for change in changes if not change.entered)
        if changes:
            check(observed.segments == (entered, left), f"{answer} is answered, and {observed.segments} is written")
        else:
            check(observed.unchanged, f"{answer} is answered, and the segments are others")

    def _fetched(self, observed: Observed, answer: Fetched) -> None:
        """The profile at a moment between request and answer, from whichever node it was written.

        Nodes on a store that is read at once may show an old one after another node wrote it, or while it is written.
        """
        assert isinstance(observed.request, messages.Fetch)
        profile_id, states = observed.request.profile_id, observed.states
        writer = states[-1].writer if states[-1] else self._model.erased_by.get(profile_id, -1)
        if self._looks_up or (writer in (-1, observed.node) and len(states) == 1):
            shown = content(answer.profile.doc) if answer.profile else None
            check(
                shown in [state and state.content() for state in states],
                f"{profile_id} is shown as {shown}, and was {states} since the request",
            )


def _expected_answer(call: Track, effect: Effect) -> tuple[object, ...]:
    shown = effect.profile.content() if call.profile_requested else None
    saved = effect.profile_saved, effect.session_saved
    return effect.profile_id, call.session_id, effect.listed, effect.duplicates, *saved, shown
