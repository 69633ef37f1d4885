"""Binds the web's commitment requests to the room that keeps commitment requests."""

from collections.abc import Sequence

from gateway.commitment.fetched import Fetched, FetchedCommitments
from gateway.dimse.ports import Reference
from imaging.dicomweb.commitment import CommitmentAnswer, Instance, NoSuchRequest
from kernel.clock import Clock
from kernel.identifiers import InstitutionCode, Uid
from kernel.sql.db import Database
from yilian.wiring.commitments import CountyCommitted


class WebCommitments:
    """Binds ``imaging.dicomweb.commitment.Commitments`` at the county."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._kept = FetchedCommitments(database, clock, CountyCommitted())

    async def ask(
        self,
        transaction: Uid,
        instances: Sequence[Instance],
        institution: InstitutionCode,
        address: str,
    ) -> CommitmentAnswer | None:
        """Keep the request; return its result, None while that is not known."""
        references = [
            Reference(each.sop_class.value, each.sop_instance.value) for each in instances
        ]
        return _answer(await self._kept.ask(transaction, references, institution, address))

    async def result(
        self, transaction: Uid, institution: InstitutionCode
    ) -> CommitmentAnswer | None:
        """Return the result of a request, None while it is not known."""
        found = await self._kept.result(transaction, institution)
        if found is None:
            raise NoSuchRequest("there is no such request")
        return _answer(found)


def _answer(found: Fetched) -> CommitmentAnswer | None:
    result = found.result
    if result is None:
        return None
    return CommitmentAnswer(
        [(one.sop_class_uid, one.sop_instance_uid) for one in result.committed],
        [
            (one.reference.sop_class_uid, one.reference.sop_instance_uid, int(one.reason))
            for one in result.failed
        ],
    )
