#!/bin/sh
# trackd @VERSION@ for Linux on @ARCH@, as one file. At its first start it unpacks the archive that follows this script into
# a folder of the user's cache; each start then becomes the program in that folder: the same process, with the same pid.
version=@VERSION@ arch=@ARCH@ glibc=@GLIBC@ hash=@HASH@ entries=@ENTRIES@ offset=@OFFSET@
packed=trackd-$version-linux-$arch
name=trackd-$version-$hash
reasons=

fail() {
    echo "trackd: $*" >&2
    exit 1
}

# Whether the folder $1 is one of this user alone: what others can write to is never run.
private() {
    [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] || return 1
    case $(ls -ld "$1") in drwx------*) ;; *) return 1 ;; esac
}

# Whether the folder $1 has all that was unpacked: programs that clean temporary folders remove single files.
whole() {
    [ -x "$1/trackd" ] && [ "$(ls -R "$1" | wc -l)" -eq "$entries" ]
}

# Hold a shared lock on the folder $1, in this process and in the program that it becomes: it is not removed meanwhile.
hold() {
    [ -d "$1" ] || return 1
    { command exec 9< "$1"; } 2> /dev/null || return 1
    flock -s 9 2> /dev/null || :
    whole "$1"
}

# Unpack into the folder $1. One start at a time; without flock each one unpacks, and the first one is taken.
unpack() (
    part=
    { command exec 8> "$1/.lock"; } 2> /dev/null || exit 1
    if flock 8 2> /dev/null; then
        ! whole "$1/$name" || exit 0
        rm -rf "$1"/.part.*  # of starts that were killed
        for old in "$1"/trackd-*; do
            [ "$old" = "$1/$name" ] || [ ! -d "$old" ] || flock -n "$old" rm -rf "$old" || :  # unless it runs
        done
    fi
    trap 'rm -rf "$part"' EXIT
    trap 'exit 1' HUP INT QUIT TERM
    part=$(mktemp -d "$1/.part.XXXXXX") || exit 1
    printf '#!/bin/sh\n' > "$part/probe" && chmod 700 "$part/probe" || exit 1
    "$part/probe" 2> /dev/null || exit 3
    rm "$part/probe"
    tail -c +"$offset" "$self" | gzip -dc | tar -xof - -C "$part" && whole "$part/$packed" || exit 1
    sync -f "$part" 2> /dev/null || :
    [ ! -d "$1/$name" ] || whole "$1/$name" || rm -rf "$1/$name"
    mv -T "$part/$packed" "$1/$name" 2> /dev/null || whole "$1/$name"
)

# Become the program in the folder $1, with the arguments that follow; comes back when that folder is of no use.
run() {
    folder=$1
    shift
    mkdir -p "${folder%/*}" 2> /dev/null || :
    mkdir -m 700 "$folder" 2> /dev/null || :
    if [ ! -e "$folder" ]; then
        reasons="$reasons $folder cannot be made;"
    elif ! private "$folder"; then
        reasons="$reasons $folder is not a folder of this user alone (mode 700);"
    elif hold "$folder/$name" || { check && unpack "$folder" && hold "$folder/$name"; }; then
        umask "$mask"
        exec "$folder/$name/trackd" "$@"
    elif [ $? -eq 3 ]; then
        reasons="$reasons in $folder no program may be run;"
    else
        reasons="$reasons unpacking into $folder failed;"
    fi
}

# What keeps the program from running on this machine is reported before anything is unpacked.
check() {
    [ "$(uname -m)" = "$arch" ] || fail "this file is for $arch, and this machine is $(uname -m)."
    found=$(getconf GNU_LIBC_VERSION 2> /dev/null) || found=
    case $found in
        "glibc 2."*) [ "${found#glibc 2.}" -ge "${glibc#2.}" ] || fail "this file needs glibc $glibc, and this machine has ${found#glibc }." ;;
        *) ! command -v getconf > /dev/null || fail "this file needs glibc $glibc, and this machine has none." ;;
    esac
    for tool in tail gzip tar mktemp; do
        command -v $tool > /dev/null || fail "$tool is needed to unpack this file: unpack the folder form elsewhere."
    done
    [ "$(tail -c +"$offset" "$self" | sha256sum | cut -c 1-16)" = "$hash" ] || fail "$self is damaged or cannot be read."
}

case $0 in */*) self=$0 ;; *) self=$(command -v "$0") || self=./$0 ;; esac
mask=$(umask)
umask 077
if [ -n "${XDG_CACHE_HOME:-}" ]; then
    run "$XDG_CACHE_HOME/trackd" "$@"
elif [ -O "${HOME:-}" ]; then
    run "$HOME/.cache/trackd" "$@"
fi
for temporary in ${TMPDIR:+"$TMPDIR"} /tmp /var/tmp; do
    run "$temporary/trackd-$(id -u)" "$@"
done
fail "no folder to unpack into:${reasons%;}. Set XDG_CACHE_HOME to a folder that this user can write to, where programs may be run."
