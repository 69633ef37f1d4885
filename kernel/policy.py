"""May they, and why: one pure decision for every door.

Nobody from another institution sees a patient without a reason, and each yes names the one it was
given for, which is what the audit trail keeps. The reasons that exist so far: the record belongs to
the asker's own institution; it belongs to the township whose register the asker's village house
works in; or it was routed to the asker's institution, as a township's study is to the county's
centre. What is refused to another institution must look as if it were not there.
"""

from dataclasses import dataclass
from enum import StrEnum
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
    MANAGE_ACCOUNTS = "manage-accounts"
    READ_AUDIT = "read-audit"


class Reason(StrEnum):
    """Why a decision came out as it did."""

    OWN_INSTITUTION = "own-institution"
    PARENT_INSTITUTION = "parent-institution"
    """Of the institution the asker's village house belongs to, which registers and examines for
    it."""
    ROUTED_HERE = "routed-here"
    OWN_DUTY = "own-duty"
    """An act without a patient, which is this role's."""
    NOT_THIS_ROLE = "not-this-role"
    OTHER_INSTITUTION = "other-institution"


@dataclass(frozen=True, slots=True)
class Subject:
    """What the act is about."""

    institution: str = ""
    """Code of the institution it belongs to; empty for what belongs to the node."""
    routed_to: frozenset[str] = frozenset()
    """Codes of the institutions a rule or a task has given it to."""


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


_ORDERING: Final = frozenset({Role.TECHNICIAN, Role.DOCTOR, Role.REGISTRAR, Role.VILLAGE_DOCTOR})
_ROLES: Final[dict[Act, frozenset[Role]]] = {
    Act.READ_LIST: CARE | {Role.PRIVACY_OFFICER},
    Act.READ_STUDY: CARE,
    Act.STORE_STUDY: frozenset(
        {Role.TECHNICIAN, Role.RADIOLOGIST, Role.SENIOR_RADIOLOGIST, Role.ECG_PHYSICIAN}
    ),
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
    Act.MANAGE_ACCOUNTS: frozenset({Role.SECURITY_ADMINISTRATOR}),
    Act.READ_AUDIT: frozenset({Role.AUDIT_ADMINISTRATOR, Role.PRIVACY_OFFICER}),
}

# These act on the node itself, whoever's it is.
_NODE_ACTS: Final = frozenset({Act.MANAGE_SYSTEM, Act.MANAGE_ACCOUNTS, Act.READ_AUDIT})
# Nobody does these for another institution, however near.
_OWN_ONLY: Final = frozenset(
    {
        Act.STORE_STUDY,
        Act.MANAGE_QUEUE,
        Act.READ_ORDERS,
        Act.REGISTER_PATIENT,
        Act.ORDER_EXAMINATION,
        Act.PERFORM_EXAMINATION,
        Act.ADMIT_NODES,
    }
)

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


def roles_for(act: Act) -> frozenset[Role]:
    """Return the roles that may ever do *act*; a route declares these."""
    return _ROLES[act]


def decide(principal: Principal, act: Act, subject: Subject) -> Decision:
    """Decide whether *principal* may do *act* to *subject*, and name the reason.

    Where the institution already rules it out that is the reason, so that a refusal tells nobody
    that the subject exists.
    """
    if act in _NODE_ACTS:
        if principal.roles.isdisjoint(_ROLES[act]):
            return Decision(allowed=False, reason=Reason.NOT_THIS_ROLE)
        return Decision(allowed=True, reason=Reason.OWN_DUTY)
    may = _ROLES[act]
    if subject.institution == principal.institution:
        reason = Reason.OWN_INSTITUTION
    elif act in _AT_TOWNSHIP and principal.township and subject.institution == principal.township:
        reason, may = Reason.PARENT_INSTITUTION, _AT_TOWNSHIP[act]
    elif principal.institution in subject.routed_to and act not in _OWN_ONLY:
        reason = Reason.ROUTED_HERE
    else:
        return Decision(allowed=False, reason=Reason.OTHER_INSTITUTION)
    if principal.roles.isdisjoint(may):
        return Decision(allowed=False, reason=Reason.NOT_THIS_ROLE)
    return Decision(allowed=True, reason=reason)


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

    A row is in reach when it belongs to ``institution`` or was routed to it; nothing is when
    ``nothing`` is set.
    """

    institution: str
    nothing: bool = False


def reach(principal: Principal, act: Act = Act.READ_LIST) -> Reach:
    """Return the rows *principal* may do *act* to."""
    return Reach(principal.institution, nothing=principal.roles.isdisjoint(_ROLES[act]))


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
