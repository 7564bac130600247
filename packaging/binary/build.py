"""`make binary`: trackd for machines without Python, as one file and as a folder.

Writes `trackd-VERSION-linux-ARCH` (the one file), `.tar.gz` (the folder) and `.sha256` to `dist/`, or to the folder
that is given. It takes a minute.
"""

import gzip
import hashlib
import io
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "binary"
SITE = WORK / "site"
FOLDER = WORK / "dist" / "trackd"
EPOCH = 1767225600  # 2026-01-01: the time of each file in the archives
GLIBC = re.compile(rb"\0GLIBC_2\.(\d+)(?:\.\d+)?(?=\0)")


def main() -> None:
    if sys.platform != "linux":
        sys.exit("The binary is built on Linux.")
    dist = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "dist"
    shutil.rmtree(WORK, ignore_errors=True)
    version = unpack_wheel()
    run_pyinstaller()
    for path in (ROOT / "LICENSE", *sorted(ROOT.glob("packaging/trackd.*"))):  # files for systemd
        shutil.copy(path, FOLDER)
    arch, glibc = platform.machine(), needed_glibc(FOLDER)
    dist.mkdir(exist_ok=True)
    name = f"trackd-{version}-linux-{arch}"
    archive = packed(FOLDER, name)
    file, folder = dist / name, dist / f"{name}.tar.gz"
    file.write_bytes(one_file(archive, FOLDER, version, arch, glibc))
    file.chmod(0o755)
    folder.write_bytes(archive)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in (file, folder)]
    (dist / f"{name}.sha256").write_text("".join(sums))
    print(f"{file}: {file.stat().st_size / 1e6:.0f} MB, needs glibc {glibc}")


def unpack_wheel() -> str:
    """Put the files of trackd's wheel into SITE. Returns the version."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(WORK), str(ROOT)]
    run(build)
    [wheel] = WORK.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(SITE)
    return wheel.name.split("-")[1]


def run_pyinstaller() -> None:
    """Make FOLDER."""
    paths = ["--distpath", str(WORK / "dist"), "--workpath", str(WORK / "work")]
    options = ["--noconfirm", "--log-level", "ERROR", *paths]
    run([sys.executable, "-m", "PyInstaller", *options, str(HERE / "trackd.spec")])


def run(command: list[str]) -> None:
    """Run a command in the repository, whose output is shown only when it fails."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)


def needed_glibc(folder: Path) -> str:
    """The oldest glibc that has all versions of symbols that the programs and libraries of a folder name."""
    programs = (path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    minors = [int(minor) for content in programs if content.startswith(b"\x7fELF") for minor in GLIBC.findall(content)]
    return f"2.{max(minors)}"


def packed(folder: Path, name: str) -> bytes:
    """A folder as a compressed archive in which it has this name, the same bytes for the same files."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            member = archive.gettarinfo(path, str(Path(name, path.relative_to(folder))))
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.mtime, member.uid, member.gid, member.uname, member.gname = EPOCH, 0, 0, "root", "root"
            with path.open("rb") if member.isfile() else io.BytesIO() as file:
                archive.addfile(member, file)
    return gzip.compress(content.getvalue(), compresslevel=6, mtime=0)  # 9: half a percent less, in three times as long


def one_file(archive: bytes, folder: Path, version: str, arch: str, glibc: str) -> bytes:
    """The script that unpacks, with the archive of the folder behind it."""
    lines = subprocess.check_output(["ls", "-R", str(folder)]).count(b"\n")
    values = {"VERSION": version, "ARCH": arch, "GLIBC": glibc, "ENTRIES": str(lines)}
    values["HASH"] = hashlib.sha256(archive).hexdigest()[:16]
    script = (HERE / "unpacker.sh").read_text()
    for name, value in values.items():
        script = script.replace(f"@{name}@", value)
    digits = 6  # of the place where the archive begins, which counts itself
    offset = len(script.encode()) - len("@OFFSET@") + digits + 1
    return script.replace("@OFFSET@", f"{offset:0{digits}}").encode() + archive


if __name__ == "__main__":
    main()
