"""An open order lets its house see what others made of the same person, by number alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest_asyncio
import sqlalchemy as sa

from imaging.access.treating import Encounter, TreatingWatch, identity_of
from imaging.archive.model import STUDY_UPDATED
from imaging.patients.model import PatientIdentity
from kernel.events import Event, publish
from kernel.policy import Reason
from tests.access.looking import BAIHE, QINGSHAN, person, reason_of
from tests.imaging.desk import Desk
from tests.imaging.sample import ct

RESIDENT = "99000019491231002X"
ORDER = "order.updated"


@dataclass
class Houses:
    desk: Desk
    register: dict[str, list[PatientIdentity]] = field(default_factory=dict)
    encounters: dict[str, Encounter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watch = TreatingWatch(
            self.desk.database,
            self.desk.clock,
            lambda _, number: self.register.get(number, ()),
            {ORDER: self._ordered, STUDY_UPDATED: self._examined},
        )

    def _ordered(self, conn: sa.Connection, event: Event) -> Sequence[Encounter]:
        del conn
        return [self.encounters[str(event.payload["id"])]]

    def _examined(self, conn: sa.Connection, event: Event) -> Sequence[Encounter]:
        identity = identity_of(conn, str(event.payload["study_instance_uid"]))
        known = [number for number, ids in self.register.items() if identity in ids]
        return [each for each in self.encounters.values() if each.resident_id in known]

    async def order(self, key: str, *, resident: str = RESIDENT, is_open: bool = True) -> None:
        self.encounters[key] = Encounter(
            key=f"order:{key}", institution=BAIHE, resident_id=resident, is_open=is_open
        )
        at = self.desk.clock.now()
        await self.desk.database.write(
            lambda conn: publish(conn, ORDER, {"id": key}, institution=BAIHE, at=at)
        )
        await self.settle()

    async def settle(self) -> None:
        while await self.watch.look():
            pass

    async def reason(self, study: int = 1) -> str:
        return await reason_of(self.desk, person(), study)


@pytest_asyncio.fixture
async def houses(desk: Desk) -> Houses:
    await desk.file(ct(PatientID="Q-1"))
    return Houses(desk, {RESIDENT: [PatientIdentity("Q-1", "", QINGSHAN)]})


async def test_it_begins_and_ends_with_the_order(houses: Houses) -> None:
    assert await houses.reason() == ""
    await houses.order("1")
    assert await houses.reason() == Reason.TREATING
    await houses.order("1", is_open=False)
    assert await houses.reason() == ""


async def test_another_number_or_none_opens_nothing(houses: Houses) -> None:
    await houses.order("1", resident="990000194912310038")
    await houses.order("2", resident="")
    assert await houses.reason() == ""


async def test_of_two_orders_the_last_to_end_ends_it(houses: Houses) -> None:
    await houses.order("1")
    await houses.order("2")
    await houses.order("1", is_open=False)
    assert await houses.reason() == Reason.TREATING
    await houses.order("2", is_open=False)
    assert await houses.reason() == ""


async def test_a_number_that_was_mended_takes_back_what_the_wrong_one_opened(
    houses: Houses,
) -> None:
    await houses.order("1")
    await houses.order("1", resident="990000194912310038")
    assert await houses.reason() == ""


async def test_who_is_examined_for_the_first_time_after_the_order_is_seen_as_well(
    houses: Houses,
) -> None:
    houses.register[RESIDENT].append(PatientIdentity("Q-9", "", QINGSHAN))
    await houses.order("1")
    await houses.desk.file(ct(study=9, PatientID="Q-9"))
    await houses.settle()
    assert await houses.reason(9) == Reason.TREATING


async def test_a_house_that_uses_the_resident_number_itself_needs_no_register(
    houses: Houses,
) -> None:
    await houses.desk.file(ct(study=4, PatientID=RESIDENT))
    await houses.order("1")
    assert await houses.reason(4) == Reason.TREATING


async def test_a_watch_that_begins_anew_gives_nothing_twice(houses: Houses) -> None:
    await houses.order("1")
    again = Houses(houses.desk, houses.register, houses.encounters)
    await again.settle()
    await again.order("1", is_open=False)
    assert await again.reason() == ""
