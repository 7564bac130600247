"""Exceptions for the log: where they were raised, without their messages, which may quote values of clients."""


def without_values(error: BaseException) -> BaseException:
    """A stand-in with the name, the traceback and the causes of an exception, to be logged as `exc_info`.

    `KeyError: 'ann@example.com'` becomes `KeyError`. Only errors of the operating system keep their reason.
    """
    return _stand_in(error, set())


def _stand_in(error: BaseException, seen: set[int]) -> BaseException:
    """`seen` has the ids of the exceptions that were met before: causes may lead in a circle."""
    seen.add(id(error))
    stand_in = _group(error, seen) if isinstance(error, BaseExceptionGroup) else _alone(error)
    stand_in.__traceback__ = error.__traceback__
    if error.__cause__ is not None and id(error.__cause__) not in seen:
        stand_in.__cause__ = _stand_in(error.__cause__, seen)
    if error.__context__ is not None and id(error.__context__) not in seen:
        stand_in.__context__ = _stand_in(error.__context__, seen)
    stand_in.__suppress_context__ = error.__suppress_context__  # Python sets it with the cause
    return stand_in


def _alone(error: BaseException) -> BaseException:
    kind = type(error)
    place = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    named: type[Exception] = type(kind.__name__, (Exception,), place)
    return named(error.strerror) if isinstance(error, OSError) and error.strerror else named()


def _group(group: BaseExceptionGroup[BaseException], seen: set[int]) -> BaseException:
    parts = [_stand_in(part, seen) for part in group.exceptions if id(part) not in seen]
    return BaseExceptionGroup("several exceptions", parts) if parts else _alone(group)
