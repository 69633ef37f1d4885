"""What goes over the line between a node and its county, as values. Pure.

Unknown fields are passed over by whoever is older; a field is only ever added with a default.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from kernel.letter import Letter

MEDIA_TYPE: Final = "application/vnd.yilian.letters+zstd"
POST_MAX_BYTES: Final = 256 * 1024
"""Of one post or one page of the feed, before compression."""
LETTER_MAX_BYTES: Final = 192 * 1024
"""Of one letter's body as JSON; what is larger is split by who writes it."""


class Kind(StrEnum):
    """The kinds this room itself writes or reads; departments add their own."""

    AUDIT = "audit"
    PRIOR_REQUEST = "prior-request"
    PROCEDURE_STEP = "procedure-step"
    STUDY_PRIORITY = "study-priority"
    STUDY_URGENCY = "study-urgency"
    INSTANCE_ASIDE = "instance-aside"
    ACCOUNT = "account"
    VILLAGE_ACCOUNT = "village-account"
    """An account of a village house, told to the township whose register it works in. A kind of its
    own: an older node keeps it until it can read it, and lets nobody in as its own people."""
    REPORT = "report"
    PRIOR = "prior"


@dataclass(frozen=True, slots=True)
class Source:
    """Whose letter it is, as its reader has proven it; never what the letter itself says."""

    node: str
    """Id of the node that wrote it; ``county`` for a letter that came down."""
    institution: str
    """Code of the institution that node speaks for, and of no other."""
    at: dt.datetime
    """When it is read, by the reader's clock."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A letter on its way, with its place in the order of its writer."""

    sequence: int
    id: str
    """Of this copy of the letter: tells a restored database from the one it was copied from."""
    kind: str
    key: str
    version: int
    body: dict[str, Any]

    def letter(self) -> Letter:
        """Return the letter; raises ``InvalidLetter``."""
        return Letter.parse(self.kind, self.key, self.version, self.body)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A letter its reader cannot take; both sides keep it, and it holds nothing up."""

    sequence: int
    kind: str
    key: str
    code: str
    detail: str = ""


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """Which versions of the exchange a program speaks, both ends included."""

    oldest: int = 1
    newest: int = 1


class PostAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the county says to a post."""

    protocol: int
    last_sequence: int
    """Of the last letter it has taken from this node in this epoch; 0 for none."""
    last_id: str
    refused: list[Refusal] = []
    """Those of this post's letters that were refused, now or when they came first."""
    county_time: dt.datetime | None = None


class FeedPage(msgspec.Struct, frozen=True, kw_only=True):
    """Letters down, oldest first."""

    protocol: int
    letters: list[Sent]
    after: int
    """Ask for what comes after this next time."""
    reset: bool = False
    """The county's database knows less than the node has read: it begins again at the start."""


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """Something to sign."""

    nonce: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What opens the county's doors for a while."""

    token: str
    expires_in_s: float
    """From now on, by whatever clock: no instant, for the node's clock may be wrong."""
    institution: str


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """What a new node learns of its county and of itself."""

    node: str
    institution: str
    institution_name: str
    county_public_key: str
    """Ed25519, 64 hex digits: what receipts are signed with."""
    county_institution: str
    county_name: str
    county_phone: str = ""
