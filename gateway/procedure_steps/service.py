"""N-CREATE and N-SET of performed procedure steps, each in one transaction (PS3.4 F.7.2)."""

import dataclasses
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from gateway.dimse.attributes import Attributes, text_of
from gateway.dimse.ports import Peer, StepAnswer
from gateway.procedure_steps import store
from gateway.procedure_steps.machine import ACT_OF_STATUS, Act, ActNotAllowed, decide
from gateway.procedure_steps.model import PerformedStep
from gateway.procedure_steps.requirements import (
    STATUS,
    Lack,
    allowed,
    lack_at_creation,
    lack_at_the_end,
    refused,
)
from kernel.clock import Clock
from kernel.dicom.status import Status
from kernel.identifiers import Uid
from kernel.sql.db import Database

MAY_NO_LONGER_BE_UPDATED: Final = 0xA710
"""Error ID of an N-SET on a step that is over (PS3.4 F.7.2.2.4)."""
_COMMENTS: Final = {
    Status.MISSING_ATTRIBUTE: "An attribute that must be there is missing.",
    Status.MISSING_ATTRIBUTE_VALUE: "An attribute that must have a value is empty.",
    Status.INVALID_ATTRIBUTE_VALUE: "The status is not one that can be set here.",
}

Noted = Callable[[sa.Connection, PerformedStep], None]
"""Told of every step that came or changed, in the transaction that keeps it."""


class StepBook:
    """Keeps performed procedure steps (``ports.ProcedureSteps``)."""

    def __init__(self, database: Database, clock: Clock, noted: Noted) -> None:
        """Keep steps in *database* and tell *noted* of each."""
        self._database = database
        self._clock = clock
        self._noted = noted

    async def create(self, uid: Uid, attributes: Attributes, peer: Peer) -> StepAnswer:
        """Keep a new step, durable on return.

        A step that was not scheduled is kept like any other.

        Raises:
            PlatformError: it cannot be kept now.
        """
        lack = lack_at_creation(attributes)
        if lack is not None:
            return _lacking(lack)
        step = PerformedStep(
            sop_instance_uid=uid.value,
            institution=peer.institution.value,
            ae_title=peer.calling_ae.value,
            state=decide(None, Act.CREATE),
            attributes=allowed_at_creation(attributes),
            version=1,
            changed_at=self._clock.now(),
        )

        def write(conn: sa.Connection) -> StepAnswer:
            if store.find(conn, uid.value) is not None:
                return StepAnswer(
                    status=Status.DUPLICATE_SOP_INSTANCE, comment="There is such a step already."
                )
            store.add(conn, step)
            self._noted(conn, step)
            return StepAnswer(status=Status.SUCCESS)

        return await self._database.write(write)

    async def set(self, uid: Uid, modifications: Attributes, peer: Peer) -> StepAnswer:
        """Change a step, durable on return.

        Raises:
            PlatformError: it cannot be kept now.
        """
        act = ACT_OF_STATUS.get(text_of(modifications, STATUS))
        if act is None:
            return _lacking(Lack(Status.INVALID_ATTRIBUTE_VALUE, (STATUS,)))

        def write(conn: sa.Connection) -> StepAnswer:
            before = store.find(conn, uid.value)
            # A step of another institution is one that is not there.
            if before is None or before.institution != peer.institution.value:
                return StepAnswer(
                    status=Status.NO_SUCH_SOP_INSTANCE, comment="There is no such step here."
                )
            try:
                state = decide(before.state, act)
            except ActNotAllowed:
                return StepAnswer(
                    status=Status.PROCESSING_FAILURE,
                    comment="Performed Procedure Step Object may no longer be updated",
                    error_id=MAY_NO_LONGER_BE_UPDATED,
                )
            after = dataclasses.replace(
                before,
                state=state,
                attributes={**before.attributes, **allowed(modifications), STATUS: state.value},
                version=before.version + 1,
                changed_at=self._clock.now(),
            )
            lack = lack_at_the_end(after.attributes, state)
            if lack is not None:
                return _lacking(lack)
            store.change(conn, after)
            self._noted(conn, after)
            return _changed(tuple(refused(modifications, before.attributes)))

        return await self._database.write(write)


def allowed_at_creation(attributes: Attributes) -> Attributes:
    """Return what of an N-CREATE is kept: all but how its text was written."""
    return {key: value for key, value in attributes.items() if key != "SpecificCharacterSet"}


def _lacking(lack: Lack) -> StepAnswer:
    return StepAnswer(status=lack.status, comment=_COMMENTS[lack.status], faulty=lack.keywords)


def _changed(ignored: tuple[str, ...]) -> StepAnswer:
    if not ignored:
        return StepAnswer(status=Status.SUCCESS)
    return StepAnswer(
        status=Status.ATTRIBUTE_LIST_ERROR,
        comment="Changed, but for what is settled at creation.",
        faulty=ignored,
    )
