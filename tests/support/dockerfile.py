"""A Dockerfile whose steps are played without a container engine.

Each step runs in a namespace of mounts, on an overlay of a folder: a root file system that stands for the base image.
"""

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

# The arguments: where the root is mounted, the options of the overlay, the folder of the volume and its place in the
# root (both empty without one), and the command within the root.
ISOLATED = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc"]
CHROOT = """
mount --make-rprivate /
mount -t overlay overlay -o "$2" "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
if [ -n "$3" ]; then
    mount --bind "$3" "$1$4"
    mount -t tmpfs tmpfs "$1/tmp"
    mount -o remount,ro "$1"
fi
root=$1
shift 4
exec chroot "$root" "$@"
"""
# As compose.yaml has it: no capabilities, and no new ones.
BOUND = ["--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]


class Step(NamedTuple):
    """An instruction of a Dockerfile, such as RUN, and all that follows it."""

    instruction: str
    argument: str


def steps_of(dockerfile: Path) -> list[Step]:
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Step(*line.split(None, 1)) for line in joined.splitlines() if line]


def command_of(argument: str) -> list[str]:
    """The command of an argument in exec form, such as `["trackd", "ready"]`. Raises ValueError for the shell form."""
    words = json.loads(argument)
    assert isinstance(words, list)
    return words


def context(root: Path, dockerignore: Path) -> list[Path]:
    """The files of the repository that an ignore file of `*`, `!NAME` and `**/NAME` leaves in."""
    lines = [line for line in dockerignore.read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    kept = [root / line[1:] for line in lines if line.startswith("!")]
    left_out = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    files = [file for path in kept for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return [file for file in files if not any(fnmatch.fnmatch(part, no) for part in file.parts for no in left_out)]


class Image:
    """What the steps of a stage make: files in `upper`, over those of `base`, and the settings of its process."""

    def __init__(self, base: Path, folder: Path) -> None:
        self.base, self.upper, self.root = base, folder / "upper", folder / "root"
        self.work = folder / "work"
        for path in (self.upper, self.work, self.root):
            path.mkdir(parents=True)
        self.overlay = f"lowerdir={self.base},upperdir={self.upper},workdir={self.work}"
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        self.folder, self.user, self.volume, self.stop_signal = "/", "0:0", "", "SIGTERM"
        self.entrypoint: list[str] = []
        self.command: list[str] = []
        self.health: list[str] = []

    def play(self, step: Step, stages: dict[str, "Image"], root: Path, files: list[Path]) -> None:
        argument = step.argument
        match step.instruction:
            case "RUN":
                self.run(argument)
            case "COPY" if argument.startswith("--from="):
                stage, source, target = argument.removeprefix("--from=").split()
                shutil.copytree(stages[stage].upper / source[1:], self.upper / target[1:], symlinks=True)
            case "COPY":
                source, _ = argument.split()
                wanted = [file for file in files if root / source in (file, *file.parents)]
                assert wanted, f"{source} is not in the context"
                for file in wanted:
                    copy = self.upper / self.folder[1:] / file.relative_to(root)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, copy)
            case "ENV":
                variables = dict(variable.split("=", 1) for variable in shlex.split(argument))
                old = self.environment["PATH"]
                self.environment |= {name: value.replace("$PATH", old) for name, value in variables.items()}
            case "WORKDIR":
                self.folder = argument
                (self.upper / argument[1:]).mkdir(parents=True, exist_ok=True)
            case "USER":
                self.user = argument
            case "VOLUME":
                self.volume = argument
            case "STOPSIGNAL":
                self.stop_signal = argument
            case "HEALTHCHECK":
                self.health = command_of(argument.partition(" CMD ")[2])
            case "ENTRYPOINT":
                self.entrypoint = command_of(argument)
            case "CMD":
                self.command = command_of(argument)
            case "EXPOSE" | "FROM":
                pass
            case _:
                raise AssertionError(f"{step.instruction} is not known here")

    def within(self, command: list[str]) -> list[str]:
        """A command in the folder and with the variables of this image."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return ["env", "-i", *variables, "sh", "-euc", 'cd "$0"; exec "$@"', self.folder, *command]

    def run(self, script: str) -> None:
        command = [*ISOLATED, CHROOT, "sh", str(self.root), self.overlay, "", "", *self.within(["sh", "-euc", script])]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"

    def container(self, volume: Path) -> list[str]:
        """The command that runs the image as a container: process 1, its own user, a root that cannot be written."""
        user, group = self.user.split(":")
        bound = ["setpriv", f"--reuid={user}", f"--regid={group}", *BOUND]
        program = [*bound, *self.within([*self.entrypoint, *self.command])]
        return [*ISOLATED, CHROOT, "sh", str(self.root), self.overlay, str(volume), self.volume, *program]

    def healthy(self, pid: int) -> bool:
        """Run the health check in the container whose process 1 has this pid."""
        check = ["nsenter", f"--target={pid}", "--mount", "--pid", "--root", *self.within(self.health)]
        return subprocess.run(check, capture_output=True).returncode == 0
