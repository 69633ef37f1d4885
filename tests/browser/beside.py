"""What happens beside the page: orders by the API, and what two machines wrote of one of them."""

import asyncio
import json
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.error import HTTPError

import sqlalchemy as sa

from gateway.exchange.outbox import write_letters
from kernel.clock import SystemClock
from kernel.identifiers import new_id
from kernel.letter import Letter
from kernel.settings import NodeKind
from kernel.sql.db import Database
from referrals.orders import store
from referrals.orders.ledger import Ledger, Page
from referrals.orders.numbers import Numbers
from referrals.orders.records import Change, Record, RecordKind, to_letter
from tests.browser.reading_station import Ordered
from tests.demo.running import RunningDemo, until
from yilian.wiring import tables
from yilian.wiring.homes import Home
from yilian.wiring.orders_letters import posts
from yilian.wiring.spellings import NameSpellings

T = TypeVar("T")
QINGSHAN: Final = "qingshan"
COUNTY: Final = "county-hospital"
_WITHIN_S: Final = 60


@dataclass(frozen=True)
class Placed:
    """An order somebody placed at the township, and what a modality is told of it."""

    id: str
    patient: str
    etag: str
    told: Ordered


def ask(
    demo: RunningDemo,
    method: str,
    path: str,
    body: object,
    *,
    at: str = QINGSHAN,
    role: str = "technician",
    house: str = "",
    version: str = "",
) -> Any:
    """Return the JSON that the node *at* answers to a write of *role*, of *house* where named."""
    account = next(
        each
        for each in demo.ready["accounts"]
        if each["role"] == role and house in {"", each["institution"]}
    )
    headers = {
        "Authorization": f"Bearer {account['token']}",
        "Content-Type": "application/json",
        "Idempotency-Key": uuid.uuid4().hex,
        **({"If-Match": f'"{version}"'} if version else {}),
    }
    request = urllib.request.Request(
        demo.http(at) + path, json.dumps(body).encode(), headers, method=method
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def place_order(
    demo: RunningDemo, name: str, question: str, *, examination: str = "EX-CT-HEAD"
) -> Placed:
    """Register *name* at the township and order a head CT; returns once the county knows."""
    new = {"examination": examination, "clinical_question": question}
    person = {"name": name, "sex": "F", "birth_date": "1971-05-06"}
    made = ask(demo, "POST", "/api/v1/orders", {"order": new, "new_patient": person})
    row = made["order"]
    patient = row["patient"]
    told = Ordered(
        row["accession_number"], row["study_instance_uid"], patient["patient_id"], patient["name"]
    )
    until(lambda: _knows(demo, row["id"]), _WITHIN_S, "the order at the county")
    return Placed(row["id"], patient["id"], row["etag"], told)


def _knows(demo: RunningDemo, order: str) -> bool:
    try:
        demo.get(f"/api/v1/orders/{order}", role="technician")
    except HTTPError:
        return False
    return True


def order_in_conflict(demo: RunningDemo, name: str) -> Placed:
    """Place an order that the township and the county then change at once, each otherwise."""
    placed = place_order(demo, name, "头痛3天")
    path = f"/api/v1/orders/{placed.id}"
    change = {"clinical_question": "跌倒后头痛, 呕吐2次", "priority": "urgent"}
    ask(demo, "PATCH", path, change, version=placed.etag)
    _changed_at_the_county(demo, RecordKind.ORDER, placed.id, clinical_question="头痛3天, 无外伤史")
    _both_know(demo, f"order/{placed.id}")
    return placed


def patient_in_conflict(demo: RunningDemo, name: str, other: str) -> Placed:
    """Place an order for a patient whom both then name otherwise."""
    placed = place_order(demo, name, "复查", examination="EX-DX-CHEST")
    path = f"/api/v1/patients/{placed.patient}"
    etag = demo.get(path, at=QINGSHAN, role="technician")["patient"]["etag"]
    ask(demo, "PATCH", path, {"phone": "13800000007"}, version=etag)
    _changed_at_the_county(demo, RecordKind.PATIENT, placed.patient, name=other)
    _both_know(demo, f"patient/{placed.patient}")
    return placed


def _both_know(demo: RunningDemo, record: str) -> None:
    for at in (COUNTY, QINGSHAN):
        until(partial(_in_conflict, demo, record, at), _WITHIN_S, f"the conflict at {at}")


def _in_conflict(demo: RunningDemo, record: str, at: str) -> bool:
    try:
        shown = demo.get(f"/api/v1/conflicts/{record}", at=at, role="technician")
    except HTTPError:
        return False
    return len(shown["versions"]) > 1


def _changed_at_the_county(demo: RunningDemo, kind: RecordKind, key: str, **content: Any) -> None:
    """Write the second version of a record as the county's desk does that has not heard of one."""
    post = posts(NodeKind.COUNTY, COUNTY)
    ledger = Ledger(
        numbers=Numbers(COUNTY, allots=True), spellings=NameSpellings(), chain="beside", post=post
    )
    at = SystemClock().now()
    by = Change(act="change", at=at, by_username="luoli", by_name="罗丽")

    def write(conn: sa.Connection) -> None:
        known: Record | None = (
            store.find_order(conn, key)
            if kind is RecordKind.ORDER
            else store.find_patient(conn, key)
        )
        assert known is not None
        made = replace(known, version=2, written_by_node=COUNTY, updated_at=at, **content)
        letter, page = to_letter(made, by), Page(conn)
        ledger.apply(page, letter, institution=QINGSHAN)
        ledger.end(page, at=at)
        post(conn, [letter], QINGSHAN, at)

    in_database(demo.home / "county", write)


def tell_what_is_refused(demo: RunningDemo) -> None:
    """Let the township tell the county four things it cannot take."""
    at = SystemClock().now()
    broken = Letter("order", new_id(), 1, {"institution": QINGSHAN, "record": {}})
    letters = [
        broken,
        Letter("patient", new_id(), 1, {"institution": QINGSHAN, "record": {"name": 7}}),
        Letter("order", new_id(), 1, {"institution": "dahe"}),
        Letter("bed-report", new_id(), 1, {"institution": QINGSHAN}),
    ]
    in_database(demo.home / QINGSHAN, lambda conn: write_letters(conn, letters, at=at))
    node = node_of(demo, QINGSHAN)["id"]
    until(lambda: len(_refused(demo, node)) >= len(letters), _WITHIN_S, "the refusals")


def _refused(demo: RunningDemo, node: str) -> list[Any]:
    items: list[Any] = demo.get(f"/api/v1/nodes/{node}/letters", role="system-administrator")[
        "items"
    ]
    return items


def node_of(demo: RunningDemo, institution: str) -> dict[str, Any]:
    """Return the township's machine as the county knows it."""
    rows = demo.get("/api/v1/nodes", role="system-administrator")["items"]
    [found] = [row for row in rows if row["institution"]["code"] == institution]
    return dict(found)


def in_database(home: Path, write: Callable[[sa.Connection], T]) -> T:
    """Run *write* as one transaction of the node at *home*, which goes on running."""

    async def work() -> T:
        tables.load()
        database = await Database.open(Home(home).database_url)
        try:
            return await database.write(write)
        finally:
            await database.close()

    # The loop of this thread is the browser's.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work()).result(_WITHIN_S)
