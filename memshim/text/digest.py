"""SHA-256, without the library that `hashlib` loads for it: that costs a hook a fifth of an interpreter's start."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # Python 3.12 and newer
    except ImportError:
        try:
            from _sha256 import sha256  # 3.11
        except ImportError:  # an interpreter that was built without its own
            from hashlib import sha256

__all__ = ["sha256"]
