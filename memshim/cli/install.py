"""The commands that put the agents' hooks in and take them out: install, uninstall."""

import contextlib
import os
import shutil

from memshim.agents import door, selftest, settings
from memshim.agents.protection import protection
from memshim.cli import failure
from memshim.cli.common import counted, say, say_text
from memshim.cli.declare import OneOf, Word, command
from memshim.daemon import lifecycle, protocol
from memshim.disk import files
from memshim.disk.layout import Layout, state_home
from memshim.errors import MemshimError
from memshim.store import registry, removal

_SCOPE = Word(
    "--scope", kind=OneOf(*settings.SCOPES), help="Settings of yours, of the project, or yours in the project."
)
_DRY_RUN = Word("--dry-run", flag=True, help="Print what would change, and change nothing.")


@command(
    _SCOPE,
    _DRY_RUN,
    Word("--again", flag=True, help="Write the hooks anew wherever they are, as after an upgrade."),
)
def install_command(scope: str | None, dry_run: bool, again: bool) -> None:
    """Put memshim's hooks into Claude Code's settings, so that its own tools lose nothing; default scope: user."""
    where = [(settings.path_of(scope or "user", os.getcwd()), scope or "user")]
    changes = [settings.installing(path, of) for path, of in (settings.recorded() if again else where)]
    for change in changes:
        if dry_run:
            _show(change)
            continue
        settings.remember(state_home())
        try:
            change.make(selftest.run)
        except MemshimError as error:
            error.hint = error.hint or f"{change.path} is as it was before. Look at: memshim status"
            raise
        say(f"The hooks are in {change.path}{' already' if change.is_empty else ''}; they passed their test.")
    if changes and not dry_run:
        say("Sessions that are running now have read their hooks at their start: restart them.")
        say(f"To take the hooks out again: memshim uninstall{f' --scope {scope}' if scope else ''}")
        safe, why, mend = protection(os.getcwd())
        if not safe:  # such as: all hooks are switched off
            failure.tell(f"Not protected yet: {why} {mend}".rstrip())


@command(
    _SCOPE,
    _DRY_RUN,
    Word("--purge", flag=True, help="Publish all stores, then remove memshim's own folders; Markdown stays."),
)
def uninstall_command(scope: str | None, dry_run: bool, purge: bool) -> int:
    """Take memshim's hooks out of Claude Code's settings: of one scope, or of every file that they were put into."""
    failed = _take_out(_places(scope), dry_run)
    if scope is None and not failed and not dry_run:
        lifecycle.stop()  # nothing starts it again
        settings.forget_front()
    stores = registry.known()
    if purge:
        failed = failed or _purge(stores, dry_run)
    elif stores and not dry_run:
        stay = "1 store stays as it is" if len(stores) == 1 else f"{len(stores)} stores stay as they are"
        say(f"{stay}, Markdown and history; memshim's own folders there:")
        for layout in map(Layout, stores):
            say(f"  {layout.state}")
            if not layout.client:
                say(f"  {layout.memory} (the journals)")
        say("To publish them and remove these folders too: memshim uninstall --purge")
    return failed


def _places(scope: str | None) -> list[tuple[str, str]]:
    if scope is not None:
        return [(settings.path_of(scope, os.getcwd()), scope)]
    here = [(settings.path_of(name, os.getcwd()), name) for name in settings.SCOPES]
    return list(dict.fromkeys([*settings.recorded(), *here]))


def _take_out(places: list[tuple[str, str]], dry_run: bool) -> int:
    """Takes the hooks out of each of these files; one that cannot be changed keeps no other from being."""
    failed, found = 0, 0
    for path, scope in places:
        try:
            change = settings.uninstalling(path, scope)
            found += not change.is_empty
            if dry_run:
                _show(change)
                continue
            change.make(selftest.run)
            if not change.is_empty:
                say(f"The hooks are out of {path}.")
        except MemshimError as error:
            failed = failure.report(error)
    if not found and not failed:
        say("No hooks of memshim's are in the settings.")
    return failed


def _purge(stores: list[str], dry_run: bool) -> int:
    failed = 0
    if not dry_run:
        door.catch_up(os.environ)
    for root in stores:
        layout = Layout(root)
        if dry_run:
            for path in removal.ours(layout):
                say(f"would be removed: {path}")
            continue
        try:
            conflicts = removal.remove(layout)
            say(f"Published, and removed what was memshim's: {root}")
            if conflicts:
                left = counted(
                    conflicts, "conflict was open: both texts stand", "conflicts were open: their texts stand"
                )
                say(f"  {left} there, marked (conflict ...). Leave the one that is right.")
        except MemshimError as error:
            failed = failure.report(error)
        except OSError as error:
            failed = failure.report_os(error)
    if not failed and not dry_run:
        _remove_state(state_home())
        with contextlib.suppress(OSError):  # not there, or not empty
            os.rmdir(protocol.folder())
    return failed


def _remove_state(home: str) -> None:
    """Removes what belongs to no store; a store's own journals may lie here, and its disk not be there just now."""
    for item in list(os.scandir(home)) if os.path.isdir(home) else ():
        if item.name == "beside" and os.listdir(item.path):
            say(
                f"{item.path} stays: it has journals of stores that are not there now. If they are gone for good, remove it."
            )
        elif item.is_dir(follow_symlinks=False):
            shutil.rmtree(item.path, ignore_errors=True)
        else:
            files.unlink_quietly(item.path)
    with contextlib.suppress(OSError):  # not there, or not empty
        os.rmdir(home)


def _show(change: settings.Change) -> None:
    if change.is_empty:
        say(f"{change.path} stays as it is.")
    else:
        say_text(change.diff())
