"""How much of an object's text goes into rows, on every node the same.

DICOM allows 64 characters or fewer where the index has keys; devices send more, attackers much
more, and PostgreSQL refuses a row whose key of an index is over 2,704 bytes. What is over is cut
for the index only: the object and its metadata keep it whole.
"""

import hashlib
from typing import Final

TEXT_MAX: Final = 256
"""Characters, of four bytes at most: a key of two such texts still fits."""
_DIGEST_HEX: Final = 32
_NAME_GROUPS: Final = 3


def bounded(text: str) -> str:
    """Return *text* as an index takes it, without NULs; what is cut keeps a digest of it all.

    Two over-long patient IDs that begin alike stay two.
    """
    text = text.replace("\0", "")
    if len(text) <= TEXT_MAX:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_HEX]
    return f"{text[: TEXT_MAX - 1 - _DIGEST_HEX]}~{digest}"


def bounded_name(name: str) -> str:
    """Return the person name *name* as an index takes it, each of its three groups cut alone."""
    if len(name) <= TEXT_MAX:
        return name
    groups = name.split("=")[:_NAME_GROUPS]
    return "=".join(group[:TEXT_MAX].rstrip("^ ") for group in groups).rstrip("=")
