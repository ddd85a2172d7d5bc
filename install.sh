#!/bin/sh
# Installs memshim for this user from the folder that this script lies in; `sh install.sh --help` says what it makes.
#
# Plain POSIX sh, because it must run before anything of ours exists. A new environment is built beside the old one and
# takes its place by one rename of a symlink, so an upgrade that fails leaves what worked before.
set -eu

usage() {
    cat <<'END'
Usage: sh install.sh [--no-demo]
       sh install.sh --uninstall
       sh install.sh --which-python

Installs memshim for this user, from the folder that install.sh lies in, and runs its demo.
Run it again to upgrade. It puts nothing into an agent's settings; `memshim install` does.

It makes, and --uninstall removes:
  ${XDG_DATA_HOME:-~/.local/share}/memshim/     an isolated Python environment
  ${XDG_BIN_HOME:-~/.local/bin}/memshim         a link to the command in it

Options:
  --no-demo        install only
  --uninstall      remove everything that install.sh made
  --which-python   print the Python that would be used, and do nothing
  --help           print this text

Environment:
  MEMSHIM_PYTHON   the Python to use (3.11 or newer) instead of searching PATH
END
}

newline='
'
made= # folders that this run has made and not yet recorded

say() { printf '%s\n' "$*"; }

# fail MESSAGE [HINT]
fail() {
    printf 'install.sh: %s\n' "$1" >&2
    if [ $# -gt 1 ]; then printf 'Hint: %s\n' "$2" >&2; fi
    exit 1
}

# Prints its argument so that a shell reads it back as one word.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

# --- where things are ---------------------------------------------------------------------------------------------

# Sets `source` to the real folder of this script, also when it was called through a symlink or found on PATH.
find_source() {
    script=$0
    case $script in
        */*) ;;
        *) if [ ! -f "$script" ]; then script=$(command -v "$script" || printf '%s' "$script"); fi ;;
    esac
    while [ -L "$script" ]; do
        target=$(readlink "$script")
        case $target in
            /*) script=$target ;;
            *) script=$(dirname "$script")/$target ;;
        esac
    done
    source=$(CDPATH='' cd -P "$(dirname "$script")" && pwd -P)
    # Never fall back to an index: a package of that name there would be somebody else's program.
    if [ ! -f "$source/memshim/__init__.py" ] || ! grep -q '^name = "memshim"$' "$source/pyproject.toml" 2>/dev/null; then
        fail "The folder $source does not hold memshim's source." \
            "Run install.sh from a whole copy of memshim's repository; it installs nothing by name from an index."
    fi
}

# Sets `data` and `bin`. A relative XDG path is invalid by the XDG specification and counts as unset.
find_folders() {
    case ${HOME:-} in
        "") fail "HOME is not set, so there is no place to install to." \
            "Set it to your home folder, for example: HOME=/home/you sh install.sh" ;;
        /*) ;;
        *) fail "HOME is $HOME, which is not an absolute path." "Set HOME to your home folder." ;;
    esac
    if [ ! -d "$HOME" ]; then
        fail "HOME is $HOME, and there is no such folder." "Set HOME to your home folder."
    fi
    case ${XDG_DATA_HOME:-} in /*) data=$XDG_DATA_HOME ;; *) data=$HOME/.local/share ;; esac
    case ${XDG_BIN_HOME:-} in /*) bin=$XDG_BIN_HOME ;; *) bin=$HOME/.local/bin ;; esac
    case $data$bin in
        *"$newline"*) fail "The path of the data folder or of the bin folder contains a line break." \
            "Choose other folders with XDG_DATA_HOME and XDG_BIN_HOME." ;;
    esac
    data=$data/memshim
    # One name for the current environment that stays the same over upgrades: what is written elsewhere (the link, an
    # agent's settings) must not point into an environment that the next upgrade removes.
    current=$data/venv
    record=$data/install-record
}

# --- Python -------------------------------------------------------------------------------------------------------

# Sets `python` (the real interpreter, not a version manager's shim) and `python_minor`.
find_python() {
    seen=
    without_venv=
    if [ -n "${MEMSHIM_PYTHON:-}" ]; then
        set -- "$MEMSHIM_PYTHON" # somebody who names one does not want another
    else
        set -- python3 python3.14 python3.13 python3.12 python3.11
    fi
    for candidate in "$@"; do
        answer=$("$candidate" -I -c 'import sys; v = sys.version_info
print(v[0], v[1], "%d.%d.%d" % v[:3], sys.executable)' 2>/dev/null </dev/null) || continue
        read -r major minor version path <<END
$answer
END
        case $major$minor in "" | *[!0-9]*) continue ;; esac
        if [ "$major" -ne 3 ] || [ "$minor" -lt 11 ]; then
            seen="$seen
  $candidate is Python $version ($path)"
        elif ! "$path" -I -c 'import ensurepip, venv' >/dev/null 2>&1 </dev/null; then
            if [ -z "$without_venv" ]; then
                without_venv="Python $version ($path)"
                package=python3.$minor-venv
            fi
        else
            python=$path
            python_minor=$minor
            return
        fi
    done
    if [ -n "$without_venv" ]; then
        fail "$without_venv cannot make virtual environments: its module venv or ensurepip is missing." \
            "On Debian or Ubuntu: sudo apt install $package (or python3-venv), then run install.sh again."
    fi
    if [ -n "$seen" ]; then
        fail "memshim needs Python 3.11 or newer, and this was found:$seen" \
            "Install a newer Python, or name one: MEMSHIM_PYTHON=/path/to/python3 sh install.sh"
    fi
    if [ -n "${MEMSHIM_PYTHON:-}" ]; then
        fail "MEMSHIM_PYTHON is $MEMSHIM_PYTHON, which does not run as Python 3." "Give the path of Python 3.11 or newer."
    fi
    fail "No Python was found on PATH; memshim needs Python 3.11 or newer." \
        "Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python; or set MEMSHIM_PYTHON."
}

# --- making and removing ------------------------------------------------------------------------------------------

is_our_link() { [ -L "$1" ] && [ "$(readlink "$1")" = "$current/bin/memshim" ]; }

refuse_foreign() {
    if { [ -e "$bin/memshim" ] || [ -L "$bin/memshim" ]; } && ! is_our_link "$bin/memshim"; then
        fail "$bin/memshim exists and was not made by this script, so nothing was changed." \
            "Move it away, or choose another folder: XDG_BIN_HOME=/some/folder sh install.sh"
    fi
    if [ -e "$current" ] && [ ! -L "$current" ]; then
        fail "$current exists and was not made by this script, so nothing was changed." "Move it away."
    fi
}

# Makes a folder and its parents, and adds those that were missing to `made`, so that --uninstall removes only them.
make_folder() {
    folder=$1
    while [ ! -d "$folder" ] && [ "$folder" != / ]; do
        made="${made}folder $folder$newline"
        folder=$(dirname "$folder")
    done
    mkdir -p "$1" || fail "The folder $1 cannot be made; the reason is above." \
        "Choose other folders with XDG_DATA_HOME and XDG_BIN_HOME."
    if [ ! -w "$1" ]; then
        fail "The folder $1 cannot be written by this user." "Choose other folders with XDG_DATA_HOME and XDG_BIN_HOME."
    fi
}

# Removes what this script made: recorded links that still point to us, the environments, recorded folders if empty.
remove_all() {
    lines=$(cat "$record" 2>/dev/null || :)$newline$made
    printf '%s\n' "$lines" "link $bin/memshim" | while IFS= read -r line; do
        case $line in
            "link "*) if is_our_link "${line#link }"; then rm -f "${line#link }"; fi ;;
        esac
    done
    if [ -L "$current" ]; then rm -f "$current"; fi
    for folder in "$data"/venv-[0-9]*-[0-9]*; do
        if [ -d "$folder" ]; then rm -rf "$folder"; fi
    done
    rm -f "$record"
    # Reversed order: a folder comes after what lies in it.
    printf '%s\n' "$lines" | LC_ALL=C sort -r | while IFS= read -r line; do
        case $line in
            "folder "*) rmdir "${line#folder }" 2>/dev/null || : ;;
        esac
    done
}

# Takes memshim's hooks out of the agents' settings, because they would point to a program that is gone.
remove_hooks() {
    if ! "$current/bin/memshim" --version >/dev/null 2>&1 </dev/null; then
        case ${XDG_STATE_HOME:-} in /*) state=$XDG_STATE_HOME ;; *) state=$HOME/.local/state ;; esac
        set -- "$state"/memshim/installed/*
        if [ ! -e "$1" ]; then return; fi # there are none
        fail "memshim does not run any more, so its hooks cannot be taken out of an agent's settings; nothing was removed." \
            "Run install.sh, which builds its environment anew, then this again."
    fi
    "$current/bin/memshim" uninstall </dev/null || fail \
        "memshim's hooks could not be taken out of an agent's settings, so nothing was removed." \
        "Repair what is said above and run this again."
}

uninstall() {
    find_folders
    if [ ! -L "$current" ] && [ ! -f "$record" ] && ! is_our_link "$bin/memshim"; then
        say "memshim is not installed in $data; there is nothing to remove."
        return
    fi
    remove_hooks
    remove_all
    say "memshim is removed. Your Markdown files were not touched."
}

# --- installing ---------------------------------------------------------------------------------------------------

# Runs at every end: what was half built goes, and a first installation that failed leaves nothing at all.
clean_up() {
    status=$?
    trap - EXIT
    if [ -n "$building" ]; then
        rm -rf "$building" "$building.link"
        if [ ! -L "$current" ]; then remove_all; fi
    fi
    exit "$status"
}

build() {
    say "Building an environment with $python ..."
    if ! "$python" -I -m venv "$building" </dev/null; then
        fail "The environment could not be made; the reason is above. An earlier installation was not changed." \
            "On Debian or Ubuntu, look whether python3.$python_minor-venv (or python3-venv) is installed."
    fi
    # An old pip (as Python brings it) writes a start script that imports `re`: half an interpreter's start for every
    # append. A newer one does not; where it cannot be had, the old one does.
    "$building/bin/python" -I -m pip install --quiet --no-input --disable-pip-version-check --upgrade pip </dev/null || :
    if ! "$building/bin/python" -I -m pip install --quiet --no-input --disable-pip-version-check "$source" </dev/null; then
        fail "pip could not install memshim; the reason is above. An earlier installation was not changed." \
            "memshim's dependencies come from the package index: look whether it can be reached, then run install.sh again."
    fi
    if ! installed_version=$("$building/bin/memshim" --version </dev/null); then
        fail "The new memshim does not run; the reason is above. An earlier installation was not changed."
    fi
    # pip wrote this environment's own path into the script's first line. The lasting path goes there, so that memshim
    # knows its interpreter (sys.executable) by a name that the next upgrade keeps.
    "$building/bin/python" -I -c 'import sys
script, old, new = sys.argv[1:]
with open(script, "r+b") as file:
    text = file.read().replace(old.encode(errors="surrogateescape"), new.encode(errors="surrogateescape"))
    file.seek(0)
    file.write(text)
    file.truncate()' "$building/bin/memshim" "$building/bin/" "$current/bin/"
}

install() {
    find_source
    find_folders
    find_python
    refuse_foreign
    # These would send pip's work elsewhere, or let another program's modules in.
    unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIREMENT
    PIP_USER=0
    export PIP_USER

    building=
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    building=$data/venv-$(date +%Y%m%d%H%M%S)-$$
    make_folder "$data"
    # Written at once, so that even a killed first run can be undone.
    printf '%s' "$made" >>"$record" || fail "The file $record cannot be written."
    made=
    make_folder "$bin"
    printf '%s' "$made" >>"$record"
    build

    old=
    if [ -L "$current" ]; then old=$(readlink "$current"); fi
    ln -s "${building##*/}" "$building.link"
    # `mv` onto a symlink to a folder moves into that folder; rename(2) replaces the symlink itself, in one step.
    "$python" -I -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$building.link" "$current"
    building=
    if ! is_our_link "$bin/memshim"; then
        ln -s "$current/bin/memshim" "$bin/memshim" || fail "The link $bin/memshim could not be made; the reason is above."
    fi
    grep -qxF "link $bin/memshim" "$record" || say "link $bin/memshim" >>"$record"
    remove_old

    # Where hooks were put into an agent's settings, this version's take the place of the old one's.
    if [ -n "$old" ] && ! "$current/bin/memshim" install --again </dev/null; then
        say "memshim's hooks in an agent's settings are still those of the old version; the reason is above."
    fi

    if [ -n "$old" ]; then say "Upgraded: $installed_version, $bin/memshim"; else
        say "Installed: $installed_version, $bin/memshim"
    fi
}

# Removes the environment that was replaced, and those of earlier runs that were killed. The last part of a name is the
# process that built it: one that still runs is another install.sh at work.
remove_old() {
    for folder in "$data"/venv-[0-9]*-[0-9]*; do
        name=${folder##*/}
        if [ "$name" = "$(readlink "$current")" ]; then continue; fi
        if [ "$name" = "$old" ] || ! kill -0 "${name##*-}" 2>/dev/null; then rm -rf "$folder"; fi
    done
}

say_how_to_go_on() {
    say "To let Claude Code's own tools lose nothing: memshim install (its hooks; memshim uninstall takes them out)."
    say "To remove memshim again: sh $(quoted "$source/install.sh") --uninstall"
    case ":${PATH:-}:" in
        *":$bin:"*)
            first=$(command -v memshim || :)
            if [ "$first" != "$bin/memshim" ]; then say "Note: $first comes earlier on PATH than $bin/memshim."; fi
            return ;;
    esac
    say ""
    say "$bin is not on PATH. Add this line to your shell's start-up file (~/.profile, ~/.bashrc or ~/.zshrc):"
    case ${SHELL:-} in
        */fish) say "  fish_add_path $(quoted "$bin")" ;;
        *) say "  export PATH=$(quoted "$bin"):\"\$PATH\"" ;;
    esac
}

main() {
    demo=yes
    action=install
    for argument in "$@"; do
        case $argument in
            -h | --help)
                usage
                return ;;
            --no-demo) demo=no ;;
            --uninstall) action=uninstall ;;
            --which-python) action=which-python ;;
            *)
                printf 'install.sh: %s is not an option.\nHint: sh install.sh --help\n' "$argument" >&2
                exit 2 ;;
        esac
    done
    case $(uname -s) in
        MINGW* | MSYS* | CYGWIN*) fail "memshim runs on Linux and macOS, not on native Windows." "Use WSL." ;;
    esac
    case $action in
        uninstall)
            uninstall
            return ;;
        which-python)
            find_python
            say "$python"
            return ;;
    esac
    install
    if [ "$demo" = yes ]; then
        say ""
        "$bin/memshim" demo </dev/null || fail "memshim is installed, but its demo failed; the reason is above." \
            "To remove memshim: sh $(quoted "$source/install.sh") --uninstall"
        say ""
    fi
    say_how_to_go_on
}

# The whole file is read before anything runs: an upgrade may replace this very file.
main "$@"
