"""May they, and why: one pure decision for every door.

Nobody from another institution sees a patient without a reason, and each yes names the one it was
given for, which is what the audit trail keeps. ``TERMS`` is the one table of reasons: what each of
them opens, and to which roles. Three of them follow from where a record lies: the asker's own
institution, the township whose register their village house works in, and a rule that routed it, as
a township's study is to the county's centre. The others are grants (``imaging.access.grants``): to
an institution or a person, of a patient's studies or one study, for a time, and they open reading
alone. What is refused to another institution must look as if it were not there.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kernel.errors import Forbidden, Missing, PlatformError
from kernel.identity import CARE, Principal, PrincipalKind, Role


class Act(StrEnum):
    """What somebody wants to do."""

    READ_LIST = "read-list"
    """See that a study exists, and what a list says of it; masked for those not in care."""
    READ_STUDY = "read-study"
    """See a study's headers and pixels, in which nothing can be masked."""
    STORE_STUDY = "store-study"
    """Hand in images of an institution's own patients."""
    CORRECT_STUDY = "correct-study"
    """Say that a study is another patient's or belongs to an order, and take that back."""
    REJECT_IMAGES = "reject-images"
    """Say that images do not count, see what does not, and take that back."""
    IDENTIFY_PERSONS = "identify-persons"
    """Say which patients of several houses are one person; the centre does it for all."""
    MANAGE_QUEUE = "manage-queue"
    """Put first, hold, or try again what waits for the line."""
    READ_ORDERS = "read-orders"
    """See who is registered and what is ordered here."""
    REGISTER_PATIENT = "register-patient"
    """Register patients, and mend what was registered."""
    ORDER_EXAMINATION = "order-examination"
    """Order an examination, change or cancel the order."""
    PERFORM_EXAMINATION = "perform-examination"
    """Say that an examination has begun, is done or was broken off."""
    SETTLE_CONFLICT = "settle-conflict"
    """Choose between what two nodes wrote of one patient or order; the centre does it for all."""
    WATCH_NODES = "watch-nodes"
    """See how township nodes and their lines are; no patient is in it."""
    ADMIT_NODES = "admit-nodes"
    """Invite a township's machine, and let one go; the centre does it for all."""
    MANAGE_SYSTEM = "manage-system"
    """Institutions, DICOM peers, settings; how the machines run."""
    WATCH_STORAGE = "watch-storage"
    """See which stored objects are damaged; no patient is in it."""
    MANAGE_ACCOUNTS = "manage-accounts"
    READ_AUDIT = "read-audit"
    READ_LOOKS = "read-looks"
    """See who looked at a patient."""
    BREAK_GLASS = "break-glass"
    """Open, in an emergency, a patient for whom there is no other reason."""
    WATCH_GLASS = "watch-glass"
    """Hear that somebody did so, and see the list of it; no patient is in the news."""
    REVIEW_GLASS = "review-glass"
    """Judge afterwards whether it was justified."""


class Reason(StrEnum):
    """Why a decision came out as it did."""

    OWN_INSTITUTION = "own-institution"
    PARENT_INSTITUTION = "parent-institution"
    """Of the institution the asker's village house belongs to, which registers and examines for
    it."""
    ROUTED_HERE = "routed-here"
    TREATING = "treating"
    """The asker's institution has an open encounter or order for the patient."""
    READING_TASK = "reading-task"
    """Given to the centre, or to one reader, to be read."""
    REFERRAL = "referral"
    CONSULTATION = "consultation"
    CRITICAL_VALUE = "critical-value"
    BREAK_GLASS = "break-glass"
    """Opened by one person in an emergency, who said why; looked into afterwards."""
    OWN_DUTY = "own-duty"
    """An act without a patient, which is this role's."""
    NOT_THIS_ROLE = "not-this-role"
    OTHER_INSTITUTION = "other-institution"


@dataclass(frozen=True, slots=True)
class Granted:
    """That somebody was given something, and why."""

    holder: str
    """Code of an institution, or ``person_holder`` of one person."""
    reason: Reason


@dataclass(frozen=True, slots=True)
class Subject:
    """What the act is about."""

    institution: str = ""
    """Code of the institution it belongs to; empty for what belongs to the node."""
    routed_to: frozenset[str] = frozenset()
    """Codes of the institutions a rule has given it to."""
    granted: frozenset[Granted] = frozenset()
    """Who has a grant of it that is in force."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and why."""

    allowed: bool
    reason: str

    def error(self) -> PlatformError:
        """Return what a door answers for a refusal."""
        if self.reason == Reason.OTHER_INSTITUTION:
            return Missing()
        return Forbidden(self.reason)


_RESIDENT_ID: Final = re.compile(
    r"(?<![0-9])(?:[0-9]{6}(?P<born>[0-9]{8})[0-9]{3}[0-9Xx]|[0-9]{15})(?![0-9])", re.ASCII
)
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
_ORDERING: Final = frozenset({Role.TECHNICIAN, Role.DOCTOR, Role.REGISTRAR, Role.VILLAGE_DOCTOR})
_ROLES: Final[dict[Act, frozenset[Role]]] = {
    Act.READ_LIST: CARE | {Role.PRIVACY_OFFICER},
    Act.READ_STUDY: CARE,
    Act.STORE_STUDY: frozenset(
        {Role.TECHNICIAN, Role.RADIOLOGIST, Role.SENIOR_RADIOLOGIST, Role.ECG_PHYSICIAN}
    ),
    Act.CORRECT_STUDY: frozenset(
        {Role.TECHNICIAN, Role.REGISTRAR, Role.COORDINATOR, Role.SENIOR_RADIOLOGIST}
    ),
    Act.REJECT_IMAGES: frozenset(
        {Role.TECHNICIAN, Role.RADIOLOGIST, Role.SENIOR_RADIOLOGIST, Role.COORDINATOR}
    ),
    Act.IDENTIFY_PERSONS: frozenset({Role.REGISTRAR, Role.COORDINATOR, Role.PRIVACY_OFFICER}),
    Act.MANAGE_QUEUE: frozenset({Role.TECHNICIAN, Role.SYSTEM_ADMINISTRATOR}),
    Act.READ_ORDERS: _ORDERING,
    Act.REGISTER_PATIENT: _ORDERING - {Role.VILLAGE_DOCTOR},
    Act.ORDER_EXAMINATION: _ORDERING,
    Act.PERFORM_EXAMINATION: _ORDERING - {Role.VILLAGE_DOCTOR},
    Act.SETTLE_CONFLICT: _ORDERING - {Role.VILLAGE_DOCTOR},
    Act.WATCH_NODES: CARE
    | {
        Role.MANAGER,
        Role.PRIVACY_OFFICER,
        Role.SYSTEM_ADMINISTRATOR,
        Role.AUDIT_ADMINISTRATOR,
    },
    Act.ADMIT_NODES: frozenset({Role.MANAGER, Role.SYSTEM_ADMINISTRATOR}),
    Act.MANAGE_SYSTEM: frozenset({Role.SYSTEM_ADMINISTRATOR}),
    Act.WATCH_STORAGE: frozenset({Role.SYSTEM_ADMINISTRATOR, Role.SECURITY_ADMINISTRATOR}),
    Act.MANAGE_ACCOUNTS: frozenset({Role.SECURITY_ADMINISTRATOR}),
    Act.READ_AUDIT: frozenset({Role.AUDIT_ADMINISTRATOR, Role.PRIVACY_OFFICER}),
    Act.READ_LOOKS: frozenset({Role.PRIVACY_OFFICER}),
    Act.BREAK_GLASS: CARE,
    Act.WATCH_GLASS: frozenset({Role.PRIVACY_OFFICER, Role.SECURITY_ADMINISTRATOR}),
    Act.REVIEW_GLASS: frozenset({Role.PRIVACY_OFFICER}),
}

# These act on the node itself, whoever's it is.
_NODE_ACTS: Final = frozenset(
    {
        Act.MANAGE_SYSTEM,
        Act.WATCH_STORAGE,
        Act.MANAGE_ACCOUNTS,
        Act.READ_AUDIT,
        Act.BREAK_GLASS,
    }
)
# Nobody does these for another institution, however near.
_OWN_ONLY: Final = frozenset(
    {
        Act.STORE_STUDY,
        Act.IDENTIFY_PERSONS,
        Act.MANAGE_QUEUE,
        Act.READ_ORDERS,
        Act.REGISTER_PATIENT,
        Act.ORDER_EXAMINATION,
        Act.PERFORM_EXAMINATION,
        Act.ADMIT_NODES,
    }
)
_PERSONS_ONLY: Final = frozenset({Act.BREAK_GLASS, Act.REVIEW_GLASS})

# A village house keeps no register: its people find and order in its township's, and register
# nobody there, nor examine anybody; so they may know whether its machine is heard. Images, queues
# and all else of the township are another institution's to them.
_AT_TOWNSHIP: Final[dict[Act, frozenset[Role]]] = {
    Act.READ_ORDERS: _ORDERING,
    Act.ORDER_EXAMINATION: _ORDERING,
    Act.PERFORM_EXAMINATION: frozenset(),
    Act.REGISTER_PATIENT: frozenset(),
    Act.WATCH_NODES: _ROLES[Act.WATCH_NODES],
}

# A grant opens reading and nothing else: no order, no image of one's own, no correction. Whoever
# watches over the looks of an institution watches over these as well.
_READING: Final[dict[Act, frozenset[Role]]] = {
    Act.READ_LIST: _ROLES[Act.READ_LIST],
    Act.READ_STUDY: _ROLES[Act.READ_STUDY],
    Act.READ_LOOKS: _ROLES[Act.READ_LOOKS],
}

TERMS: Final[Mapping[Reason, Mapping[Act, frozenset[Role]]]] = MappingProxyType(
    {
        Reason.OWN_DUTY: {act: _ROLES[act] for act in Act if act in _NODE_ACTS},
        Reason.OWN_INSTITUTION: {act: _ROLES[act] for act in Act if act not in _NODE_ACTS},
        Reason.PARENT_INSTITUTION: _AT_TOWNSHIP,
        Reason.ROUTED_HERE: {act: _ROLES[act] for act in Act if act not in _NODE_ACTS | _OWN_ONLY},
        Reason.TREATING: _READING,
        Reason.READING_TASK: _READING,
        Reason.REFERRAL: _READING,
        Reason.CONSULTATION: _READING,
        Reason.CRITICAL_VALUE: _READING,
        # One person's own, so nobody watches over it but by the list of these.
        Reason.BREAK_GLASS: {Act.READ_LIST: CARE, Act.READ_STUDY: CARE},
    }
)
"""By reason, the acts it opens and the roles it opens them to."""
GRANTED: Final = frozenset(
    {
        Reason.TREATING,
        Reason.READING_TASK,
        Reason.REFERRAL,
        Reason.CONSULTATION,
        Reason.CRITICAL_VALUE,
        Reason.BREAK_GLASS,
    }
)
"""The reasons somebody must have been given (``imaging.access.grants``)."""


def roles_for(act: Act) -> frozenset[Role]:
    """Return the roles that may ever do *act*; a route declares these."""
    return _ROLES[act]


def decide(principal: Principal, act: Act, subject: Subject) -> Decision:
    """Decide whether *principal* may do *act* to *subject*, and name the reason.

    Where the institution already rules it out that is the reason, so that a refusal tells nobody
    that the subject exists.
    """
    refused = Reason.OTHER_INSTITUTION
    for reason in _reasons(principal, act, subject):
        may = TERMS[reason].get(act)
        if may is None:
            continue
        if not principal.roles.isdisjoint(may) and _is_person_enough(principal, act):
            return Decision(allowed=True, reason=reason)
        refused = Reason.NOT_THIS_ROLE
    return Decision(allowed=False, reason=refused)


def _reasons(principal: Principal, act: Act, subject: Subject) -> Iterator[Reason]:
    """Yield what *principal* has to do with *subject*, the nearest first."""
    if act in _NODE_ACTS:
        yield Reason.OWN_DUTY
        return
    if subject.institution == principal.institution:
        yield Reason.OWN_INSTITUTION
    if principal.township and subject.institution == principal.township:
        yield Reason.PARENT_INSTITUTION
    if principal.institution in subject.routed_to:
        yield Reason.ROUTED_HERE
    if subject.granted:
        mine = holders(principal)
        order = {reason: number for number, reason in enumerate(Reason)}
        yield from sorted(
            (each.reason for each in subject.granted if each.holder in mine), key=order.__getitem__
        )


def _is_person_enough(principal: Principal, act: Act) -> bool:
    return principal.kind is PrincipalKind.PERSON or act not in _PERSONS_ONLY


def person_holder(user_id: str) -> str:
    """Return what a grant to one person is held by; no institution's code has a colon."""
    return f"user:{user_id}"


def holders(principal: Principal) -> tuple[str, ...]:
    """Return whose grants *principal* may use: their institution's, and a person their own."""
    if principal.kind is PrincipalKind.MACHINE:
        return (principal.institution,)
    return (principal.institution, person_holder(principal.user_id))


def require(principal: Principal, act: Act, subject: Subject) -> Decision:
    """Return the decision when it is yes.

    Raises:
        Missing: the subject is another institution's.
        Forbidden: the act is not this role's.
    """
    decision = decide(principal, act, subject)
    if not decision.allowed:
        raise decision.error()
    return decision


@dataclass(frozen=True, slots=True)
class Reach:
    """Which rows a principal may find at all, for a store to put into its WHERE.

    A row is in reach when it belongs to ``institution``, was routed to it, or was granted to it or
    to ``person`` until after ``at``; nothing is when ``nothing`` is set.
    """

    institution: str
    nothing: bool = False
    person: str = ""
    """``person_holder`` of who asks; empty for a machine."""
    at: dt.datetime | None = None
    """When; None leaves out whatever ends one day."""

    @property
    def holders(self) -> tuple[str, ...]:
        """Whose rows are in reach."""
        return (self.institution, self.person) if self.person else (self.institution,)


def reach(
    principal: Principal, act: Act = Act.READ_LIST, *, at: dt.datetime | None = None
) -> Reach:
    """Return the rows *principal* may do *act* to at the instant *at*."""
    person = "" if principal.kind is PrincipalKind.MACHINE else person_holder(principal.user_id)
    nothing = principal.roles.isdisjoint(_ROLES[act])
    return Reach(principal.institution, nothing=nothing, person=person, at=at)


def register_house(principal: Principal) -> str:
    """Return the code of the institution in whose register *principal* finds and orders."""
    return principal.township or principal.institution


def sees_own_orders_only(principal: Principal) -> bool:
    """Tell whether *principal* sees, of the orders of ``register_house``, those they ordered.

    A village doctor works in the township's register, whose patients are not all theirs; so does
    everybody else of a village house.
    """
    if principal.township:
        return True
    return principal.roles.isdisjoint(_ORDERING - {Role.VILLAGE_DOCTOR})


def shows_full_name(principal: Principal) -> bool:
    """Tell whether who a patient is is written out for *principal*, or masked.

    That is the name, the number and the birth date.
    """
    return principal.kind is PrincipalKind.MACHINE or not principal.roles.isdisjoint(CARE)


def masked_name(name: str) -> str:
    """Return *name* with all but its first character hidden; two stars tell no length."""
    return f"{name[0]}**" if name else ""


def masked_id(number: str) -> str:
    """Return an ID number with its first three and last four characters, the birth date hidden."""
    if len(number) <= 7:  # noqa: PLR2004  # nothing would be hidden
        return "*" * len(number)
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}"


def masked_number(number: str) -> str:
    """Return a house's number of a patient with any resident number in it masked.

    That is 18 characters whose check digit fits (GB 11643), or that hold a birth date all the same
    and may be one with a slip in it; or 15 digits, the form before. A house's own number stays as
    it is: it names nobody outside.
    """
    return _RESIDENT_ID.sub(_masked, number)


def _masked(found: re.Match[str]) -> str:
    number, born = found[0], found["born"]
    if born is None or _is_checked(number) or _is_date(born):
        return masked_id(number)
    return number


def _is_checked(number: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False))
    return _CHECK[total % 11] == number[-1].upper()


def _is_date(born: str) -> bool:
    try:
        return dt.date.fromisoformat(born).year > 1800  # noqa: PLR2004  # nobody older was numbered
    except ValueError:
        return False
