"""Commitment requests whose result the asker fetches (PS3.18 13), where nobody is called back.

They lie in the same table as those of devices, under an empty AE title, and are over as soon as
all is known: the reporter looks at them like at any other and has nothing to tell.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from gateway.commitment import store
from gateway.commitment.looking import final_verdicts
from gateway.commitment.machine import State
from gateway.commitment.model import Request, Verdict, look_again_in
from gateway.commitment.ports import Committed
from gateway.dimse.ports import CommitmentResult, Reference
from kernel.clock import Clock
from kernel.errors import Conflict
from kernel.identifiers import InstitutionCode, Uid, new_id
from kernel.sql.db import Database

NOBODY_TO_CALL: Final = ""
"""AE title of who fetches the result."""


class TransactionInUse(Conflict):
    """The institution asked something else under this Transaction UID (PS3.18 13.4.3.1)."""

    code = "transaction-in-use"


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far a request is."""

    result: CommitmentResult | None
    """None while something may still change."""


class FetchedCommitments:
    """Answers commitment requests at once where it can, else when it is asked again."""

    def __init__(self, database: Database, clock: Clock, committed: Committed) -> None:
        """Answer by what *committed* says.

        Args:
            database: of this node.
            clock: for when it was asked.
            committed: who knows what is safe.
        """
        self._database = database
        self._clock = clock
        self._committed = committed

    async def ask(
        self,
        transaction: Uid,
        references: Sequence[Reference],
        institution: InstitutionCode,
        address: str,
    ) -> Fetched:
        """Keep the question and return what is known; the same question again is looked at anew.

        Raises:
            TransactionInUse: the institution asked about other instances under *transaction*.
        """
        now = self._clock.now()
        asked = Request(
            id=new_id(),
            transaction_uid=transaction.value,
            institution=institution.value,
            ae_title=NOBODY_TO_CALL,
            called_ae_title=NOBODY_TO_CALL,
            address=address,
            state=State.WAITING,
            # Objects come here by several doors: no one journal says that nothing is under way.
            mark=None,
            asked_at=now,
            references=tuple((reference, Verdict.WAITING) for reference in references),
        )

        def write(conn: sa.Connection) -> Request:
            before = store.find_named(
                conn,
                asked.transaction_uid,
                institution=asked.institution,
                ae_title=NOBODY_TO_CALL,
            )
            if before is not None and {one for one, _ in before.references} != set(references):
                raise TransactionInUse("this Transaction UID was used for other instances")
            kept = store.find(conn, store.keep(conn, asked, due_at=now))
            return self._looked(conn, kept or asked, now)

        return _fetched(await self._database.write(write))

    async def result(self, transaction: Uid, institution: InstitutionCode) -> Fetched | None:
        """Return how far the request is; None where *institution* asked nothing of that name."""
        now = self._clock.now()

        def write(conn: sa.Connection) -> Request | None:
            found = store.find_named(
                conn, transaction.value, institution=institution.value, ae_title=NOBODY_TO_CALL
            )
            if found is None or found.state is not State.WAITING:
                return found
            return self._looked(conn, found, now)

        found = await self._database.write(write)
        return None if found is None else _fetched(found)

    def _looked(self, conn: sa.Connection, request: Request, now: dt.datetime) -> Request:
        verdicts = final_verdicts(conn, self._committed, request, now)
        due_at = now + look_again_in(now - request.asked_at)
        store.looked(conn, request, verdicts, now=now, due_at=due_at)
        return store.find(conn, request.id) or request


def _fetched(request: Request) -> Fetched:
    return Fetched(None if request.state is State.WAITING else request.result)
