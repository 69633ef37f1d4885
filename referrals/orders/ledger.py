"""The only way a patient's or an order's rows change: a version is added, and what is true follows.

What this node writes and what it hears of other nodes go the same way, so that both leave the same
rows behind. Each change is one transaction with its line in the audit trail, the letter that tells
other nodes, and the event that tells the pages.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

import sqlalchemy as sa

from kernel.audit.trail import AuditEntry, AuditEvent, record as write_trail
from kernel.errors import Missing
from kernel.events import EventDraft, publish_all
from kernel.identity import Principal
from kernel.letter import Letter
from kernel.policy import Reason
from referrals.orders import numbers, store
from referrals.orders.accession import folded
from referrals.orders.following import as_ordered, followed, way_of
from referrals.orders.model import Order, Patient
from referrals.orders.numbers import Numbers
from referrals.orders.ports import Post, Spellings
from referrals.orders.records import (
    Change,
    Record,
    RecordKind,
    as_urgent,
    from_letter,
    kind_of,
    next_version,
    to_letter,
)
from referrals.orders.views import event_payload, patient_number

R = TypeVar("R", Patient, Order)
PATIENT_REGISTERED: Final = "patient.registered"
PATIENT_UPDATED: Final = "patient.updated"
ORDER_UPDATED: Final = "order.updated"
CONFLICT_UPDATED: Final = "conflict.updated"
"""Something can be chosen about a record, or no longer, or was."""
STUDY_MISMATCH: Final = "order.study-mismatch"
RENUMBER: Final = "renumber"
"""Act of a version in which an order got another accession number; its reason is one of these."""
NUMBER_TAKEN: Final = "accession-number-taken"
NUMBER_OF_ANOTHER: Final = "accession-number-of-another-node"


class Applied(StrEnum):
    """What became of a letter."""

    NEW = "new"
    """It is what is shown now."""
    KNOWN = "known"
    """It was here already; nothing changed."""
    OLDER = "older"
    """Kept; something newer is shown."""
    CONFLICT = "conflict"
    """Kept beside another content of the same version; a person decides."""
    RENUMBERED = "renumbered"
    """Its accession number was another order's; it has a new one and keeps the old one as a
    note."""


class ForeignRecord(Missing):
    """The letter tells of a record that is not its sender's to tell of."""

    code = "other-institution"


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who does something, and from where; nobody where a machine notes it."""

    principal: Principal | None = None
    address: str = ""
    machine: str = ""
    """What noted it, such as ``mpps:CT1``."""
    reason: str = Reason.OWN_INSTITUTION
    """Why they may (``kernel.policy.Decision.reason``)."""

    @property
    def username(self) -> str:
        """The account, or empty."""
        return self.principal.username if self.principal else ""

    @property
    def name(self) -> str:
        """As people call them."""
        return self.principal.display_name if self.principal else ""

    def change(self, act: str, at: dt.datetime, *, reason: str = "") -> Change:
        """Return the change that they do *act* at the instant *at*."""
        return Change(
            act=str(act), at=at, by_username=self.username, by_name=self.name, reason=reason
        )


@dataclass(slots=True)
class Page:
    """What one transaction of the ledger still has to tell when it ends."""

    conn: sa.Connection
    events: list[EventDraft] = field(default_factory=list)
    letters: list[tuple[str, Letter]] = field(default_factory=list)
    """Each with the code of the institution it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Writes versions at one node, in one process."""

    numbers: Numbers
    spellings: Spellings
    chain: str
    """Of the audit trail; one writing process, one chain."""
    post: Post
    centre: str = ""
    """Code of the institution that settles conflicts of all, and hears of them; empty where none
    does."""

    @property
    def node(self) -> str:
        """Code of this node."""
        return self.numbers.node

    def write(self, page: Page, record: R, change: Change, by: By) -> R:
        """Return *record* as the next version this node writes of it.

        An order's version says whom it was ordered for: who that turned out to be is the patient's
        to say.
        """
        conn, kind = page.conn, kind_of(record)
        known = store.versions_of(conn, kind, record.id)
        after = max((kept.version.version for kept in known), default=0)
        made = next_version(as_ordered(record), after=after, node=self.node, at=change.at)
        store.add_version(conn, made, change)
        self._show(page, made, first=not known, settles=change.settles)
        page.letters.append((made.institution, to_letter(made, change)))
        shown = followed(conn, made) if isinstance(made, Order) else made
        self._audit(conn, shown, change, by)
        return cast("R", shown)

    def apply(
        self, page: Page, letter: Letter, *, institution: str, writer: str | None = None
    ) -> Applied:
        """Keep what another node's *letter* tells; the same letter again changes nothing.

        Args:
            page: the transaction.
            letter: as it came.
            institution: whose records its sender may tell of.
            writer: the node whose own versions it may tell of; None for any.

        Raises:
            InvalidLetter: it is no version of a patient or an order.
            ForeignRecord: it is of another institution or another writer.
            VersionDiffers: that node told another content under this version before.
        """
        heard, change = from_letter(letter)
        conn, kind = page.conn, kind_of(heard)
        owners = {heard.institution, *filter(None, [store.institution_of(conn, kind, heard.id)])}
        if owners != {institution} or writer not in {None, heard.written_by_node}:
            raise ForeignRecord("a node tells of its own institution and its own versions only")
        known = store.versions_of(conn, kind, heard.id)
        if not store.add_version(conn, heard, change):
            return Applied.KNOWN
        now = store.standing_of(conn, kind, heard.id)
        shown = store.record_at(conn, kind, heard.id, now.shown)
        self._show(page, shown, first=not known, settles=change.settles)
        if isinstance(shown, Order) and self._settle_number(page, shown, change):
            return Applied.RENUMBERED
        if any(each.version == heard.version for each in now.open):
            return Applied.CONFLICT
        return Applied.NEW if shown == heard else Applied.OLDER

    def _settle_number(self, page: Page, order: Order, change: Change) -> bool:
        """See to it that the order's number is its own; returns whether it got another one."""
        conn, number = page.conn, order.accession_number
        # All letters come from the county, which has decided; whoever had the number here hears
        # of it by a letter of their own.
        reason = self._why_not(conn, order) if self.numbers.allots else ""
        if not reason:
            numbers.claim(conn, order.institution, number, order.id, at=change.at)
            return False
        mine = [one for one in numbers.claims_of(conn, order.id) if one != folded(number)]
        new = (
            mine[0] if mine else self.numbers.take(conn, order.institution, order.id, at=change.at)
        )
        noted = [*order.former_accession_numbers, number]
        renumbered = replace(
            order,
            accession_number=new,
            requested_procedure_id=new,
            former_accession_numbers=tuple(dict.fromkeys(noted)),
        )
        told = Change(act=RENUMBER, at=change.at, reason=reason)
        self.write(page, renumbered, told, By(machine="county"))
        return True

    def _why_not(self, conn: sa.Connection, order: Order) -> str:
        """Return why the order cannot have its number, empty where it can.

        Inside a block only the block's node gives numbers out, whoever came first; outside all
        blocks, where people type and other systems count, whoever came first has it.
        """
        number, house = order.accession_number, order.institution
        owner = numbers.owner_of(conn, house, number)
        if owner is not None:
            return "" if owner == order.id else NUMBER_TAKEN
        block = numbers.block_holding(conn, house, number)
        return "" if block is None or block.node == order.origin_node else NUMBER_OF_ANOTHER

    def _show(self, page: Page, shown: Record, *, first: bool, settles: bool) -> None:
        conn = page.conn
        before = store.conflicts_of(conn, kind_of(shown), shown.id)
        stands = store.standing_of(conn, kind_of(shown), shown.id)
        conflicts, shown = stands.conflicts, as_urgent(shown, stands.urgency)
        if isinstance(shown, Patient):
            terms = self.spellings.terms(shown.name, shown.name_pinyin)
            was = way_of(conn, shown.id)[-1]
            store.put(conn, shown, conflicts=conflicts, terms=terms)
            self.tell(page, PATIENT_REGISTERED if first else PATIENT_UPDATED, shown)
            if way_of(conn, shown.id)[-1] != was:
                self._take_along(page, was)
        else:
            shown = followed(conn, shown)
            store.put(conn, shown, conflicts=conflicts)
            self.tell(page, ORDER_UPDATED, shown)
        if before or conflicts or settles:
            told = {"id": shown.id, "kind": kind_of(shown).value, "open": conflicts}
            whose = shown.institution
            hear = {self.centre} - {"", whose}
            page.events.append(EventDraft(CONFLICT_UPDATED, told, whose, sorted(hear)))

    def _take_along(self, page: Page, was: str) -> None:
        """Show the orders of the patient *was* as they are now that somebody is another."""
        conn = page.conn
        for order in store.orders_of_patient(conn, was):
            stands = store.standing_of(conn, RecordKind.ORDER, order.id)
            shown = store.record_at(conn, RecordKind.ORDER, order.id, stands.shown)
            self._show(page, shown, first=False, settles=False)

    def tell(
        self, page: Page, topic: str, record: Record, more: Mapping[str, Any] | None = None
    ) -> None:
        """Tell the pages of *record* when the transaction ends."""
        payload = {**event_payload(page.conn, record), **(more or {})}
        page.events.append(EventDraft(topic, payload, record.institution))

    def end(self, page: Page, *, at: dt.datetime) -> None:
        """Send what the transaction has to tell: its letters, and an event per record.

        Both hold a lock to the end of the transaction, so nothing comes behind them.
        """
        for institution in dict.fromkeys(code for code, _ in page.letters):
            letters = [letter for code, letter in page.letters if code == institution]
            self.post(page.conn, letters, institution, at)
        newest: dict[tuple[str, str], EventDraft] = {}
        for draft in page.events:
            key = (draft.topic, str(draft.payload.get("id", "")))
            newest.pop(key, None)
            newest[key] = draft
        publish_all(page.conn, list(newest.values()), at=at)

    def _audit(self, conn: sa.Connection, made: Record, change: Change, by: By) -> None:
        who = by.principal
        entry = AuditEntry(
            at=change.at,
            event=AuditEvent.CHANGED,
            user_id=who.user_id if who else "",
            username=by.username,
            institution=who.institution if who else made.institution,
            address=by.address,
            subject=f"{kind_of(made)}:{made.id}",
            patient=patient_number(conn, made),
            reason=by.reason if who else by.machine,
            detail={"act": change.act, "version": made.version},
        )
        write_trail(conn, self.chain, entry)
