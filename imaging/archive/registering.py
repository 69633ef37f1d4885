"""Writes the register: follows the rows of the index some seconds behind them."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from imaging.archive import decisions
from imaging.archive.integrity_tables import object_check_places
from imaging.archive.model import PRIORITY_ORDER
from imaging.archive.register import Register, Role, Told
from imaging.archive.tables import instance, instance_conflict, series, set_aside, study
from kernel.arrival import Arrival, ContentDigest, Door, NativeForm, Sender
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_PAGE: Final = 1000
_OVERLAP: Final = 200
"""Rows that are read once more: numbers are given out before they are committed."""
_RECENT: Final = 10_000
_EVERY_S: Final = 5.0
_SENT: Final = ("transfer_syntax_uid", "sop_class_uid", "dataset_offset", "size_bytes")
_KEPT: Final = (
    *("id", "object_key", "sop_instance_uid", "institution", "ae_title", "dataset_digest"),
    *("pixels_digest", "received_at", "native_transfer_syntax_uid"),
    *("native_photometric_interpretation", "native_planar_configuration", "native_pixel_vr"),
    *("called_ae_title", "address", "door", "oddities"),
    *_SENT,
)


class Registrar:
    """Keeps the register of one store; one process of a county runs it."""

    def __init__(
        self,
        database: Database,
        register: Register,
        clock: Clock,
        *,
        hints: Callable[[sa.Connection], Mapping[str, str]],
    ) -> None:
        """Follow *database* into *register*; *hints* reads what the text of each AE really is."""
        self._database = database
        self._register = register
        self._clock = clock
        self._hints = hints
        self._recent: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._version: list[int] | None = None

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                while await self.follow():
                    pass
            except (PlatformError, OSError) as exc:
                code = exc.code if isinstance(exc, PlatformError) else "disk"
                _LOG.warning("register.later", extra={"reason": code})
            await asyncio.sleep(_EVERY_S)

    async def follow(self) -> int:
        """Write down what is new; returns how many objects."""
        begun = await asyncio.to_thread(self._register.has_begun)
        if not begun:
            self._recent.clear()
            self._version = None
        written = 0
        for source, read in _SOURCES.items():
            last = await self._database.read(partial(_place, source=source)) if begun else 0
            lines = await self._database.read(partial(read, after=max(0, last - _OVERLAP)))
            fresh = [line for line in lines if (source, line.number) not in self._recent]
            if not fresh:
                continue
            await asyncio.to_thread(self._register.add, fresh)
            newest = max(line.number for line in lines)
            at = self._clock.now()
            await self._database.write(partial(_keep_place, source=source, last=newest, at=at))
            self._remember(source, fresh)
            written += len(fresh)
        await self._follow_decisions()
        return written

    def _remember(self, source: str, lines: list[Told]) -> None:
        for line in lines:
            self._recent[source, line.number] = None
        while len(self._recent) > _RECENT:
            self._recent.popitem(last=False)

    async def _follow_decisions(self) -> None:
        if self._version is None:
            kept = await asyncio.to_thread(self._register.decisions)
            self._version = kept.version if kept else []
        made = await self._database.read(
            partial(decisions.decided, hints=self._hints, seen=self._version)
        )
        if made is not None:
            await asyncio.to_thread(self._register.keep_decisions, made)
            self._version = made.version


def _answers(conn: sa.Connection, *, after: int) -> list[Told]:
    columns = instance.c
    query = (
        sa.select(
            *(columns[name] for name in _KEPT),
            study.c.study_instance_uid,
            study.c.priority,
            series.c.series_instance_uid,
        )
        .join_from(instance, study)
        .join(series, series.c.id == columns.series)
        .where(columns.id > after)
        .order_by(columns.id)
        .limit(_PAGE)
    )
    found = []
    for row in conn.execute(query).mappings():
        arrival = _arrival(dict(row))
        priority = PRIORITY_ORDER[row["priority"]]
        found.append(
            Told(
                key=row["object_key"],
                role=Role.ANSWERS,
                number=row["id"],
                arrival=msgspec.structs.replace(arrival, priority=priority),
                oddities=row["oddities"],
            )
        )
    return found


def _beside(conn: sa.Connection, *, after: int) -> list[Told]:
    columns = instance_conflict.c
    query = (
        sa.select(
            *(columns[name] for name in _KEPT),
            columns.study_instance_uid,
            columns.series_instance_uid,
            columns.kept_at,
        )
        .where(columns.id > after)
        .order_by(columns.id)
        .limit(_PAGE)
    )
    found = []
    for row in conn.execute(query).mappings():
        told = {**row, "received_at": row["received_at"] or row["kept_at"]}
        found.append(
            Told(
                key=row["object_key"],
                role=Role.BESIDE,
                number=row["id"],
                arrival=_arrival(told),
                oddities=row["oddities"],
            )
        )
    return found


def _arrival(row: Mapping[str, Any]) -> Arrival:
    native = None
    if row["native_transfer_syntax_uid"]:
        native = NativeForm(
            transfer_syntax_uid=row["native_transfer_syntax_uid"],
            photometric_interpretation=row["native_photometric_interpretation"],
            planar_configuration=row["native_planar_configuration"],
            pixel_vr=row["native_pixel_vr"],
        )
    return Arrival(
        # Kept before the door was written down.
        door=Door(row["door"] or Door.C_STORE),
        received_at=row["received_at"],
        sender=Sender(
            institution=row["institution"],
            ae_title=row["ae_title"],
            called_ae_title=row["called_ae_title"],
            address=row["address"],
        ),
        sop_instance_uid=row["sop_instance_uid"],
        study_instance_uid=row["study_instance_uid"],
        series_instance_uid=row["series_instance_uid"],
        native=native,
        digest=ContentDigest(dataset=row["dataset_digest"], pixels=row["pixels_digest"]),
        **{name: row[name] for name in _SENT},
    )


def _bytes(conn: sa.Connection, *, after: int) -> list[Told]:
    columns = set_aside.c
    query = (
        sa.select(columns.id, columns.object_key, columns.arrival, columns.reason, columns.detail)
        .where(columns.id > after)
        .order_by(columns.id)
        .limit(_PAGE)
    )
    return [
        Told(
            key=row.object_key,
            role=Role.BYTES,
            number=row.id,
            arrival=msgspec.convert(row.arrival, Arrival) if row.arrival else None,
            reason=row.reason,
            detail=row.detail,
        )
        for row in conn.execute(query)
    ]


_SOURCES: Final[Mapping[str, Callable[..., list[Told]]]] = {
    "register:instance": _answers,
    "register:instance_conflict": _beside,
    "register:filing_set_aside": _bytes,
}


def _place(conn: sa.Connection, *, source: str) -> int:
    columns = object_check_places.c
    return conn.scalar(sa.select(columns.last_id).where(columns.source == source)) or 0


def _keep_place(conn: sa.Connection, *, source: str, last: int, at: Any) -> None:
    mine = object_check_places.c.source == source
    values = {"last_id": last, "began_at": at}
    if not conn.execute(sa.update(object_check_places).where(mine).values(values)).rowcount:
        conn.execute(sa.insert(object_check_places).values(source=source, **values))
