"""Where everything lies: documents, journals, and the rest.  The only module that knows both places of a store.

A store of one's own keeps its journals in `memory/` and the rest in `.memshim/`.  A client's store (Claude Code's memory)
holds nothing of ours: the client lists every *.md below it as memories, so all of ours goes beside it, to
`<parent>/.memshim/<folder name>/`.
"""

import os
import stat

from memshim.errors import BadInput, NoStore, StoreUnusable, word

INDEX = "MEMORY.md"
OURS = ".memshim"
_ID = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))])


class Layout:
    """Is the places of one store.  `root` is a real path, so that a store has one identity however it is reached.

    `beside` says that the folder is a client's, whatever its path: a client's settings may have moved its memory.
    """

    __slots__ = ("client", "memory", "root", "state")

    def __init__(self, root: str, beside: bool = False) -> None:
        self.root = os.path.realpath(root)
        parent, name = os.path.split(self.root)
        place = os.path.join(parent, OURS, name)
        inside = os.path.join(self.root, OURS)
        self.client = is_client_store(self.root) or (
            not os.path.lexists(inside) and (beside or os.path.exists(os.path.join(place, "format")))
        )
        if not self.client:
            self.state = inside
            self.memory = os.path.join(self.root, "memory")
            return
        if not os.path.lexists(place) and not os.access(parent, os.W_OK):
            place = os.path.join(state_home(), "beside", _short_hash(self.root))
        self.state = place
        self.memory = os.path.join(place, "memory")

    def staged(self, state: str) -> "Layout":
        """Returns the same store with what is ours in another folder: where a new one is built before it gets its name."""
        other = Layout(self.root, self.client)
        other.state = state
        return other

    def path(self, *names: str) -> str:
        """Returns a path below the folder that holds what is ours."""
        return os.path.join(self.state, *names)

    def shown(self, journal: str) -> str:
        """Returns the path of a journal's readable name, given that of its file."""
        return os.path.join(self.memory, journal.removesuffix(".log") + ".md")

    def document(self, name: str) -> str:
        """Returns the path of a document."""
        return os.path.join(self.root, name)

    def takes_all(self) -> bool:
        """Tells whether every Markdown file of the folder is a document.

        In a project root (a folder with .git) only MEMORY.md is, and what memshim wrote: the others are not ours to touch.
        """
        return self.client or not os.path.lexists(self.document(".git"))

    def is_store(self) -> bool:
        """Tells whether this is a store already."""
        return os.path.exists(self.path("format"))

    def require_made(self) -> None:
        """Raises NoStore for a folder that is none yet, with the line to type."""
        if not self.is_store():
            raise NoStore(f"{self.root} is no store yet.", "To make one of it: memshim init")

    def require_store(self) -> None:
        """Raises StoreUnusable where the store has gone since it was opened."""
        if not self.is_store():
            raise StoreUnusable(f"The store {self.root} was removed.", "Open it again to make a new one.")

    def is_writable(self) -> bool:
        """Tells whether this user may write what is ours, and nobody has planted a link there."""
        return os.access(self.path("tmp"), os.W_OK) and not self.links()

    def links(self) -> list[str]:
        """Returns what is a link directly below our folder: nothing of ours is one, so somebody planted it."""
        try:
            with os.scandir(self.state) as items:
                return [item.path for item in items if item.is_symlink()]
        except FileNotFoundError:
            return []

    def check_ours(self) -> None:
        """Raises StoreUnusable where our folder is a link, holds one, or is another user's: somebody may have planted it."""
        self.check_owner()
        for path in self.links():
            raise StoreUnusable(f"{path} is a link; nothing of memshim's is one.", "Try: memshim check --repair")

    def check_owner(self) -> None:
        """Raises StoreUnusable where our folder is a link or another user's."""
        parent = os.path.dirname(self.state)
        for path in (parent, self.state) if os.path.basename(parent) == OURS else (self.state,):
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                return
            if not stat.S_ISDIR(status.st_mode):
                raise StoreUnusable(f"{path} is not a folder of memshim's.", "Move it away and try again.")
            if status.st_uid != os.geteuid():
                raise StoreUnusable(
                    f"{path} belongs to another user, so this store is read-only to you.",
                    "Ask its owner, or copy the documents to a folder of your own.",
                )


def is_client_store(root: str) -> bool:
    """Tells Claude Code's memory folders by their path: projects/<slug>/memory, agent-memory*/<name>."""
    parent, name = os.path.split(root)
    above, middle = os.path.split(parent)
    if middle in ("agent-memory", "agent-memory-local"):
        return True
    return name == "memory" and os.path.basename(above) == "projects" and middle.startswith("-")


def document_name(name: str) -> str:
    """Returns the name if it can be a document's; raises BadInput, which says why not."""
    if not is_document(name):
        raise BadInput(
            f"{name[:80]!r} cannot be a document's name.",
            "A document is a file of the store's own folder, such as MEMORY.md or debugging.md.",
        )
    return name


def is_document(name: str) -> bool:
    """Tells whether a name can be a document's; one that leads elsewhere, as a planted store may hold, cannot."""
    plain = "/" not in name and name.isprintable() and not name.startswith(".")
    return plain and name.endswith(".md") and len(os.fsencode(name)) <= 200


def agent_id(name: str) -> str:
    """Returns the id if an agent may have it; raises BadInput, which says why not.  Ids are never mapped."""
    reason = ""
    if not 1 <= len(name) <= 64:
        reason = f"it has {len(name)} characters, and 1 to 64 are allowed"
    elif not name[0].isalnum() or not _ID.issuperset(name):
        reason = "only A-Z a-z 0-9 . _ - are allowed, and the first must be a letter or digit"
    elif name.partition(".")[0].lower() in _DEVICES or name.lower() == "memory":
        reason = "the name is reserved"
    if reason:
        raise BadInput(f"{name[:80]!r} cannot be an agent's id: {reason}.", "Try something like --agent bob")
    return name


def find(start: str) -> "str | None":
    """Returns the nearest folder upwards that is a store or holds MEMORY.md.

    Stops at the git root, the home folder or a file-system border, and looks only at folders of this user.
    """
    home = os.path.realpath(os.path.expanduser("~"))
    here = os.path.realpath(start)
    device = os.stat(here).st_dev
    while True:
        status = os.stat(here)
        if status.st_dev != device or status.st_uid != os.geteuid():
            return None
        if any(os.path.lexists(os.path.join(here, name)) for name in (OURS + "/format", INDEX)):
            return here
        parent = os.path.dirname(here)
        if here == home or parent == here or os.path.lexists(os.path.join(here, ".git")):
            return None
        here = parent


def client_memory(start: str) -> "str | None":
    """Returns Claude Code's memory folder of the project around `start`, if it exists; it is never made here."""
    here = os.path.realpath(start)
    root = here
    while not os.path.lexists(os.path.join(root, ".git")):
        parent = os.path.dirname(root)
        if parent == root:
            root = here
            break
        root = parent
    root = _main_root(root)
    slug = "".join(c if c.isascii() and c.isalnum() else "-" for c in root)
    config = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(os.path.expanduser("~"), ".claude")
    folder = os.path.join(config, "projects", slug, "memory")
    return folder if os.path.isdir(folder) else None


def _main_root(root: str) -> str:
    """Returns the main folder of the repository of which `root` is a worktree, as the client does; any other root as it is.

    Both must name each other, as git writes it: a file alone, which may have come from anywhere, leads to no other memory.
    """
    link = os.path.join(root, ".git")
    try:
        with open(link, "rb") as file:
            there = os.path.join(root, os.fsdecode(file.read(4096).removeprefix(b"gitdir: ").rstrip(b"\n")))
        with open(os.path.join(there, "gitdir"), "rb") as file:
            back = os.path.join(there, os.fsdecode(file.read(4096).rstrip(b"\n")))
        main, name = os.path.split(os.path.dirname(os.path.dirname(os.path.realpath(there))))
        return main if name == ".git" and os.path.realpath(back) == link else root
    except (OSError, ValueError):
        return root


def resolve(given: "str | None", start: str = ".") -> str:
    """Returns the folder that a command means: --store, else $MEMSHIM_STORE, else the nearest, else the client's.

    Raises NoStore, with the line to type.
    """
    named = given if given is not None else os.environ.get("MEMSHIM_STORE") or None
    if named is not None:
        if not os.path.isdir(named):
            raise NoStore(f"There is no folder {named}", f"To make a store there: memshim init --store {word(named)}")
        return named
    found = find(start) or client_memory(start)
    if found is None:
        raise NoStore(
            "There is no store here: no folder upwards holds .memshim or MEMORY.md.", "To make one here: memshim init"
        )
    return found


def state_home() -> str:
    """Returns the folder for what belongs to no store: $XDG_STATE_HOME/memshim.  Raises OSError where there is no home."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    if not os.path.isabs(base):
        raise OSError(f"there is no home folder ({base})")
    return os.path.join(base, "memshim")


def _short_hash(text: str) -> str:
    from memshim.text.digest import sha256

    return sha256(os.fsencode(text)).hexdigest()[:16]
