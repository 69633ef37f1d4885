"""What retrieval (C-MOVE, C-GET) needs of others: objects of the archive, where they may go."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.dimse import outgoing
from gateway.dimse.ports import ArchiveQuestion, Peer
from gateway.dimse.storing import SendableObject
from kernel.errors import Category, PlatformError
from kernel.identifiers import AETitle, InstitutionCode


@dataclass(frozen=True, slots=True)
class Destination:
    """A peer objects may be sent to.

    Attributes:
        peer: where and as whom to call it, but for our own title.
        institution: whose it is.
    """

    peer: outgoing.Peer
    institution: InstitutionCode


@dataclass(frozen=True, slots=True)
class Selection:
    """What a retrieve identifier asks for.

    Attributes:
        objects: to be sent, study by study.
        withheld: SOP instances that the asker may see and the destination may not.
    """

    objects: Sequence[SendableObject] = field(repr=False)
    withheld: tuple[str, ...] = field(default=(), repr=False)


class TooManyObjects(PlatformError):
    """The identifier asks for more than sub-operations can be counted (A701H)."""

    code = "too-many-objects"
    category = Category.TOO_LARGE


class RetrieveArchive(Protocol):
    """The objects that are filed and the peer's institution may see."""

    async def select(
        self, question: ArchiveQuestion, peer: Peer, destination: Destination | None
    ) -> Selection:
        """Return what *question* asks for, once it stands in the trail that it leaves.

        Args:
            question: the identifier.
            peer: who asks.
            destination: where to; None to the peer itself.

        Raises:
            Invalid: it cannot be asked. The detail is a sentence for the peer, without a value;
                where one key is wrong, its tag is the member ``tag``.
            TooManyObjects: ask for fewer.
            PlatformError: the archive cannot be read now.
        """
        ...


class Destinations(Protocol):
    """The peers that may be named as Move Destination."""

    async def find(self, title: AETitle, our_title: AETitle) -> Destination | None:
        """Return the one called *title*, to whom we are *our_title*; None where there is none.

        Raises:
            PlatformError: the table cannot be read now.
        """
        ...
