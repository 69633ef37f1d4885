"""What is sent to a peer, to whom, and what was said to it: values, without what sends them."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kernel.errors import Category, PlatformError
from kernel.identifiers import AETitle

MAX_CONTEXTS: Final = 128
"""Presentation contexts of one association (PS3.8 9.3.2.2: odd numbers of one byte)."""
_WARNING: Final = range(0xB000, 0xC000)
_OUT_OF_RESOURCES: Final = range(0xA700, 0xA800)


class PeerUnavailable(PlatformError):
    """The peer did not take or did not keep the association; the same objects may work later."""

    code = "peer-unavailable"
    category = Category.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One Part 10 file to send."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Peer:
    """Where and as whom to send."""

    host: str
    port: int
    called_ae_title: AETitle
    calling_ae_title: AETitle
    tls: ssl.SSLContext | None = None
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What the peer said to one object.

    Attributes:
        status: DIMSE status; ``None`` where the association broke before the answer.
        comment: the peer's Error Comment, or the local reason.
    """

    outgoing: Outgoing
    status: int | None
    comment: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the peer has taken the object: 0x0000 or a warning of 0xBxxx (PS3.7 C)."""
        return self.status == 0 or (self.status is not None and self.status in _WARNING)

    @property
    def worth_retrying(self) -> bool:
        """Whether the line or the peer's room was the cause, not the object."""
        return self.status is None or self.status in _OUT_OF_RESOURCES


def context_groups(files: Iterable[Outgoing]) -> list[list[Outgoing]]:
    """Return *files* in groups that each fit the 128 presentation contexts of one association."""
    by_context: dict[tuple[str, str], list[Outgoing]] = {}
    for file in files:
        by_context.setdefault((file.sop_class_uid, file.transfer_syntax_uid), []).append(file)
    contexts = list(by_context.values())
    return [
        [file for group in contexts[start : start + MAX_CONTEXTS] for file in group]
        for start in range(0, len(contexts), MAX_CONTEXTS)
    ]
