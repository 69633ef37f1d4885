"""A book and a reporter over a real database, with what is safe and who answers as told."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.commitment.model import Verdict
from gateway.commitment.reporter import Reporter, ReporterSettings
from gateway.commitment.service import CommitmentBook, OpenLines
from gateway.dimse.ports import CommitmentRequest, CommitmentResult, Peer, Reference
from kernel.clock import FrozenClock
from kernel.errors import PlatformError, Unavailable
from kernel.identifiers import AETitle, InstitutionCode, Uid
from kernel.journal.frames import Position
from kernel.process.wake import Wake
from kernel.sql.db import Database

CT = "1.2.840.10008.5.1.4.1.1.2"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
TRANSACTION = Uid("2.25.990100")
START = dt.datetime(2026, 1, 5, 8, tzinfo=dt.UTC)


def references(*numbers: int) -> tuple[Reference, ...]:
    return tuple(Reference(CT, f"2.25.99020{number}") for number in numbers)


def peer(institution: str = "test-township", ae_title: str = "CT1") -> Peer:
    return Peer(
        calling_ae=AETitle(ae_title),
        called_ae=AETitle("YILIAN"),
        address="127.0.0.1",
        institution=InstitutionCode(institution),
    )


@dataclass
class Shelf:
    """What is safe."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    filed: bool = True
    looks: int = 0

    def look(
        self, conn: sa.Connection, references: Sequence[Reference], institution: str
    ) -> Sequence[Verdict]:
        del conn
        self.looks += 1
        if institution != "test-township":
            return [Verdict.NOT_HERE] * len(references)
        return [self.verdicts.get(one.sop_instance_uid, Verdict.NOT_HERE) for one in references]

    def caught_up(self, conn: sa.Connection, mark: Position) -> bool:
        del conn, mark
        return self.filed

    def put(self, verdict: Verdict, *numbers: int) -> None:
        self.verdicts |= {one.sop_instance_uid: verdict for one in references(*numbers)}


@dataclass
class Phone:
    """Whom we call back."""

    status: int = 0
    error: PlatformError | None = None
    told: list[tuple[str, CommitmentResult]] = field(default_factory=list)

    async def report(
        self, ae_title: str, called_ae_title: str, address: str, result: CommitmentResult
    ) -> int:
        assert called_ae_title == "YILIAN"
        assert address == "127.0.0.1"
        if self.error is not None:
            raise self.error
        self.told.append((ae_title, result))
        return self.status


@dataclass
class Line:
    """The association somebody asked on."""

    is_open: bool = False
    status: int | None = 0
    told: list[CommitmentResult] = field(default_factory=list)

    async def report(self, result: CommitmentResult, *, within_s: float) -> int | None:
        assert within_s > 0
        self.told.append(result)
        return self.status


class Desk:
    """Everything of commitment but the network."""

    def __init__(self, database: Database, settings: ReporterSettings | None = None) -> None:
        self.database = database
        self.clock = FrozenClock(START)
        self.shelf = Shelf()
        self.phone = Phone()
        self.mark: Position | None = Position(1, 100)
        self.settings = settings
        self.restart()

    def restart(self) -> None:
        """Forget all that is not in the database."""
        wake, self.lines = Wake.local(), OpenLines()
        self.book = CommitmentBook(
            self.database, self.clock, mark=lambda: self.mark, lines=self.lines, wake=wake
        )
        self.reporter = Reporter(
            self.database,
            self.clock,
            committed=self.shelf,
            callback=self.phone,
            lines=self.lines,
            wake=wake,
            chance=lambda: 0.5,
            settings=self.settings,
        )

    async def ask(
        self,
        *numbers: int,
        transaction_uid: Uid = TRANSACTION,
        who: Peer | None = None,
        line: Line | None = None,
    ) -> None:
        asked = CommitmentRequest(
            transaction_uid=transaction_uid,
            references=references(*numbers),
            peer=who or peer(),
        )
        await self.book.request(asked, line or Line())

    async def work(self, seconds: float = 0.0) -> None:
        """Let *seconds* pass, then do all that is due."""
        self.clock.advance(dt.timedelta(seconds=seconds))
        await self.reporter.look_at_due()
        while await self.reporter.report_one():
            pass

    async def work_for(self, seconds: float, step: float = 1.0) -> None:
        """Work every *step* seconds for *seconds*."""
        for _ in range(int(seconds / step)):
            await self.work(step)


def unreachable() -> PlatformError:
    return Unavailable("nobody there", code="peer-unavailable")
