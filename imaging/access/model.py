"""Emergency looks as values: what is typed, what is answered, who looked. Pure."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from imaging.archive.model import InstitutionRow, StudyRow
from kernel.errors import Busy, Conflict, Forbidden, Invalid, Missing

LASTS: Final = dt.timedelta(minutes=60)
"""An emergency look ends by itself after this."""
WHY_MIN: Final = 10
"""Characters of the reason somebody gives."""
WHY_MAX: Final = 500
NUMBER_MAX: Final = 64
TRIES_EACH: Final = 10
"""Numbers one person may type within ``TRIES_WITHIN``, found or not."""
TRIES_WITHIN: Final = dt.timedelta(hours=1)
_RESIDENT_ID: Final = 18


class NumberKind(StrEnum):
    """Which number somebody typed; there is no other way to find whom one may not see."""

    RESIDENT_ID = "resident-id"
    PATIENT_ID = "patient-id"
    """With the institution that gave it."""
    ACCESSION_NUMBER = "accession-number"
    """With the institution that gave it."""


class Verdict(StrEnum):
    """What the privacy officer found."""

    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not-justified"


class NobodyFound(Missing):
    """No patient has exactly that number."""

    code = "nobody-of-that-number"


class NotOne(Conflict):
    """Several patients have it; another number tells them apart."""

    code = "number-not-unique"


class WithinReach(Conflict):
    """The asker may see the patient anyway; ``study`` names the newest study."""

    code = "already-within-reach"

    def __init__(self, study_instance_uid: str) -> None:
        super().__init__("there is another reason already; nothing has to be opened")
        self.members = {"study": study_instance_uid}


class TooManyTries(Busy):
    """Somebody typed too many numbers."""

    code = "too-many-tries"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"at most {TRIES_EACH} numbers an hour")
        self.retry_after_s = retry_after_s


class LookMissing(Missing):
    """There is no such emergency look for this asker."""

    code = "no-such-emergency-look"


class AlreadyReviewed(Conflict):
    """Somebody has judged it."""

    code = "already-reviewed"


class OwnLook(Forbidden):
    """Nobody judges their own."""

    code = "own-emergency-look"


class NumberAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whom somebody means, by an exact number."""

    kind: NumberKind
    number: str
    institution: str = ""
    """Code of the institution whose number it is; not for resident numbers."""


class EmergencyRequest(NumberAsked, frozen=True, kw_only=True):
    """Whom somebody must see at once, and why."""

    why: str


class LookersRequest(NumberAsked, frozen=True, kw_only=True):
    """Who looked at whom; ``before`` is the ``next_before`` of the page before."""

    before: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    limit: int = 50


class OpenLook(msgspec.Struct, frozen=True, kw_only=True):
    """An emergency look that lasts."""

    id: int
    since: dt.datetime
    until: dt.datetime
    studies: list[StudyRow]
    """What it opens, newest first, fifty at most."""


class OpenLooks(msgspec.Struct, frozen=True, kw_only=True):
    """The asker's own that last."""

    items: list[OpenLook]


class LookRow(msgspec.Struct, frozen=True, kw_only=True):
    """An emergency look as who watches over them sees it."""

    id: int
    username: str
    display_name: str
    institution: InstitutionRow
    """Of the person who looked."""
    owner: InstitutionRow
    """Of the patient's newest study."""
    why: str
    since: dt.datetime
    until: dt.datetime
    ended_at: dt.datetime | None
    patient_name: str
    """Masked; empty for who may know no patient."""
    patient_id: str
    """Masked; empty for who may know no patient."""
    study_instance_uid: str
    """The patient's newest study, by which who looked is asked; empty as above."""
    verdict: str
    note: str
    reviewed_by: str
    reviewed_at: dt.datetime | None


class LookPage(msgspec.Struct, frozen=True, kw_only=True):
    """Emergency looks, newest first."""

    items: list[LookRow]
    next_before: int | None
    waiting: int
    """How many nobody has judged yet."""


class ReviewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the privacy officer found, and in what words."""

    verdict: Verdict
    note: str = ""


class Looker(msgspec.Struct, frozen=True, kw_only=True):
    """One row of who looked at a patient."""

    id: int
    at: dt.datetime
    last_at: dt.datetime
    times: int
    """How often within that hour, by that sign-in."""
    username: str
    institution: InstitutionRow
    event: str
    reason: str
    """``kernel.policy.Reason``; empty where the row states none."""
    purpose: str
    """``BTG`` for an emergency look (v3-ActReason), else empty."""
    subject: str
    node: str = ""
    """Name of the township's machine it happened at; empty for the county."""


class LookersPage(msgspec.Struct, frozen=True, kw_only=True):
    """Who looked, newest first."""

    items: list[Looker]
    """At the county."""
    at_nodes: list[Looker]
    """At townships' machines, as their trails have come up: the newest, on the first page."""
    next_before: int | None


def parse_why(raw: str) -> str:
    """Return the reason without blanks around it.

    Raises:
        Invalid: under 10 characters (``reason-too-short``), over 500 or with control characters
            (``invalid-reason``).
    """
    why = " ".join(raw.split())
    if len(why) < WHY_MIN:
        raise Invalid(f"say why in {WHY_MIN} characters or more", code="reason-too-short")
    if len(why) > WHY_MAX or not why.isprintable():
        raise Invalid(f"at most {WHY_MAX} characters", code="invalid-reason")
    return why


def parse_note(raw: str, verdict: Verdict) -> str:
    """Return the note without blanks around it; who finds fault says what with.

    Raises:
        Invalid: it is missing (``note-missing``), over 500 characters or not text
            (``invalid-note``).
    """
    note = " ".join(raw.split())
    if verdict is Verdict.NOT_JUSTIFIED and not note:
        raise Invalid("say what was not justified", code="note-missing")
    if len(note) > WHY_MAX or not note.isprintable():
        raise Invalid(f"at most {WHY_MAX} characters", code="invalid-note")
    return note


def parse_number(asked: NumberAsked) -> str:
    """Return the number as it is kept.

    Raises:
        Invalid: it cannot be one of its kind, or the institution is missing
            (``invalid-number``, ``institution-missing``); the detail never quotes it.
    """
    if asked.kind is NumberKind.RESIDENT_ID:
        number = "".join(asked.number.split()).upper()
        if len(number) != _RESIDENT_ID or not number.isascii() or not number.isalnum():
            raise Invalid("a resident number has 18 characters", code="invalid-number")
        return number
    number = asked.number.strip()
    if not number or len(number) > NUMBER_MAX or not number.isprintable():
        raise Invalid(f"1 to {NUMBER_MAX} characters", code="invalid-number")
    if not asked.institution:
        raise Invalid("say whose number it is", code="institution-missing")
    return number
