"""memshim: several agents write one Markdown memory, and nothing gets lost.

    from memshim import Store
    store = Store.open("notes", agent="bob")
    store.append("use uv, not pip")

The names are resolved at first use, because `memshim append` pays for every import.
"""

__version__ = "0.1.0"
__all__ = ["Store", "View", "__version__"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.store.result import View as View
    from memshim.store.store import Store as Store


def __getattr__(name: str) -> object:
    if name == "Store":
        from memshim.store.store import Store

        return Store
    if name == "View":
        from memshim.store.result import View

        return View
    raise AttributeError(f"module 'memshim' has no attribute {name!r}")
