"""Errors of the operating system, as the end of a sentence about a file: the reason, and what to do about it."""

import errno
import os

REMEDIES = {
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "make room, or raise the quota of this user",
    errno.EFBIG: "allow larger files (`ulimit -f`)",
    errno.EACCES: "check that this user may use it and its folder",
    errno.EPERM: "check that this user may use it and its folder",
    errno.EROFS: "name a file on a file system that is not read-only",
    errno.EMFILE: "allow more open files (`ulimit -n`, LimitNOFILE)",
    errno.ENFILE: "allow more open files (`fs.file-max`)",
    errno.EIO: "check its disk",
}
OTHER_REMEDY = "name another file"


def reason_of(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error).rstrip(".")


def reason_and_remedy(error: OSError, remedy: str = OTHER_REMEDY) -> str:
    """`(No space left on device): make room on its disk`; `remedy` is that of all other errors."""
    return f"({reason_of(error)}): {REMEDIES.get(error.errno or 0, remedy)}"
