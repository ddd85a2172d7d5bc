"""Told: what an agent is still to be told, because nobody waited for the answer when it came out.  Must not know why.

    $XDG_STATE_HOME/memshim/told/<hash>    the sentences for one agent, a line each

Losing them costs a remark: what they speak of stands in the document, marked.
"""

import os

from memshim.agents.event import Writer, name_of
from memshim.disk import files
from memshim.disk.layout import state_home


def later(writer: Writer, sentences: "list[str]") -> None:
    """Keeps sentences until the agent is answered next."""
    if not sentences:
        return
    path = _path(writer)
    files.make_folder(os.path.dirname(path))
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, "".join(f"{sentence}\n" for sentence in sentences).encode("utf-8", "replace"))
    finally:
        os.close(fd)


def now(writer: Writer) -> "list[str]":
    """Takes what is kept for an agent, to be said; two who answer it at once do not both say it."""
    path = _path(writer)
    if not os.path.exists(path):
        return []
    mine = files.scratch_name(os.path.dirname(path), os.path.basename(path))
    try:
        os.rename(path, mine)
    except FileNotFoundError:
        return []
    said = files.read(mine) or b""
    os.unlink(mine)
    return list(dict.fromkeys(said.decode("utf-8", "replace").splitlines()))


def folder() -> str:
    """Returns the folder that the sentences are kept in.  Raises OSError where there is no home."""
    return os.path.join(state_home(), "told")


def _path(writer: Writer) -> str:
    return os.path.join(folder(), name_of(writer.session, writer.key))
