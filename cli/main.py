"""The command `trackd`: signals are handled before anything is imported that takes time."""

import signal
import sys

from trackd.cli.signals import end_on_signals, ignore_signals, interrupted_by


def main() -> None:
    """Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 128 and more ended by a signal.

    A server that is stopped before it is ready was stopped as asked, too.
    """
    serves = sys.argv[1:2] == ["serve"]
    if serves:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # waits until the server handles it
    end_on_signals()
    try:
        from trackd.telemetry.standard_streams import prepare_standard_streams

        prepare_standard_streams()
        from trackd.cli.commands import run

        run()
    except BaseException as error:
        interrupted = interrupted_by(error)
        if interrupted is None or (isinstance(error, SystemExit) and error is not interrupted):
            raise
        if not serves:
            effect = f": {interrupted.effect}" if interrupted.effect else ""
            print(f"trackd: ended by {interrupted.name}{effect}.", file=sys.stderr)
        sys.exit(0 if serves else interrupted.code)
    finally:
        ignore_signals()
