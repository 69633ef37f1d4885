"""Commitment requests in SQL."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from gateway.commitment.machine import Act, State, decide
from gateway.commitment.model import NO_ADDRESS, Request, Verdict
from gateway.commitment.tables import references, requests
from gateway.dimse.ports import Reference
from kernel.journal.frames import Position

_COLUMNS: Final = (
    requests.c.id,
    requests.c.transaction_uid,
    requests.c.institution,
    requests.c.ae_title,
    requests.c.called_ae_title,
    requests.c.address,
    requests.c.state,
    requests.c.mark_segment,
    requests.c.mark_offset,
    requests.c.asked_at,
    requests.c.decided_at,
    requests.c.failures,
)


def keep(conn: sa.Connection, asked: Request, *, due_at: dt.datetime) -> str:
    """Keep the question *asked*, new and with its verdicts open; returns the id it is kept under.

    The same question of the same peer asked again is the same request, looked at anew. Another
    question under a Transaction UID that is in use fails as a whole (0131H).
    """
    same = [
        found
        for found in _of_transaction(conn, asked)
        if {one for one, _ in found.references} == {one for one, _ in asked.references}
        and all(verdict is not Verdict.DUPLICATE for _, verdict in found.references)
    ]
    if same:
        _ask_again(conn, same[0], asked, due_at)
        return same[0].id
    verdict, state = Verdict.WAITING, asked.state
    if _of_transaction(conn, asked):
        verdict, state = Verdict.DUPLICATE, decide(asked.state, Act.DECIDE)
    conn.execute(
        sa.insert(requests).values(
            id=asked.id,
            transaction_uid=asked.transaction_uid,
            institution=asked.institution,
            ae_title=asked.ae_title,
            called_ae_title=asked.called_ae_title,
            state=state.value,
            due_at=due_at,
            decided_at=asked.asked_at if state is State.READY else None,
            failures=0,
            **_asking(asked),
        )
    )
    conn.execute(
        sa.insert(references),
        [
            {
                "request_id": asked.id,
                "number": number,
                "sop_class_uid": reference.sop_class_uid,
                "sop_instance_uid": reference.sop_instance_uid,
                "verdict": verdict.value,
            }
            for number, (reference, _) in enumerate(asked.references)
        ],
    )
    return asked.id


def due(conn: sa.Connection, state: State, now: dt.datetime, limit: int) -> list[Request]:
    """Return at most *limit* requests in *state* that are due, longest first."""
    query = (
        sa.select(*_COLUMNS)
        .where(requests.c.state == state.value, requests.c.due_at <= now)
        .order_by(requests.c.due_at)
        .limit(limit)
    )
    return _with_references(conn, query)


def claim(conn: sa.Connection, now: dt.datetime, *, until: dt.datetime) -> Request | None:
    """Return the request to be reported next; nobody else gets it before *until*."""
    found = due(conn, State.READY, now, 1)
    if not found:
        return None
    conn.execute(sa.update(requests).where(requests.c.id == found[0].id).values(due_at=until))
    return found[0]


def looked(
    conn: sa.Connection,
    request: Request,
    verdicts: Mapping[Reference, Verdict],
    *,
    now: dt.datetime,
    due_at: dt.datetime,
) -> State:
    """Keep the final *verdicts*; returns the state *request* is in now.

    A request without an AE title is over once all is known: its result is fetched.
    One that does not wait any more, because somebody else looked, stays as it is.
    """
    before_state = _state(conn, request.id)
    if before_state is not State.WAITING:
        return before_state
    by_verdict: dict[Verdict, list[int]] = {}
    for number, (reference, before) in enumerate(request.references):
        verdict = verdicts.get(reference, before)
        if verdict is not before:
            by_verdict.setdefault(verdict, []).append(number)
    for verdict, numbers in by_verdict.items():
        for start in range(0, len(numbers), 500):
            conn.execute(
                sa.update(references)
                .where(
                    references.c.request_id == request.id,
                    references.c.number.in_(numbers[start : start + 500]),
                )
                .values(verdict=verdict.value)
            )
    open_ones = sa.select(sa.func.count()).where(
        references.c.request_id == request.id,
        references.c.verdict == Verdict.WAITING.value,
    )
    act = Act.LOOK if conn.scalar(open_ones) else Act.DECIDE
    after = decide(before_state, act)
    if act is Act.DECIDE and not request.ae_title:
        # Nobody is to be told: who asked comes for it.
        _move(conn, request.id, after, due_at=None, decided_at=now, ended_at=now)
        return after
    _move(conn, request.id, after, due_at=due_at, decided_at=now if act is Act.DECIDE else None)
    return after


def delivered(conn: sa.Connection, request_id: str, now: dt.datetime) -> None:
    """Keep that the peer has taken the report; raises ``ActNotAllowed``."""
    after = decide(_state(conn, request_id), Act.DELIVER)
    _move(conn, request_id, after, due_at=None, ended_at=now, reason="")


def failed(conn: sa.Connection, request: Request, reason: str, *, due_at: dt.datetime) -> None:
    """Keep that the report was not taken, and when it is tried next; raises ``ActNotAllowed``."""
    after = decide(_state(conn, request.id), Act.FAIL)
    _move(conn, request.id, after, due_at=due_at, reason=reason, failures=request.failures + 1)


def given_up(conn: sa.Connection, request_id: str, reason: str, now: dt.datetime) -> None:
    """Keep that nobody tries any more; raises ``ActNotAllowed``."""
    after = decide(_state(conn, request_id), Act.GIVE_UP)
    _move(conn, request_id, after, due_at=None, ended_at=now, reason=reason)


def find(conn: sa.Connection, request_id: str) -> Request | None:
    """Return the request, None where there is none."""
    found = _with_references(conn, sa.select(*_COLUMNS).where(requests.c.id == request_id))
    return found[0] if found else None


def find_named(
    conn: sa.Connection, transaction_uid: str, *, institution: str, ae_title: str
) -> Request | None:
    """Return the first request *ae_title* of *institution* made under that Transaction UID."""
    query = (
        sa.select(*_COLUMNS)
        .where(
            requests.c.ae_title == ae_title,
            requests.c.institution == institution,
            requests.c.transaction_uid == transaction_uid,
        )
        .order_by(requests.c.id)
        .limit(1)
    )
    found = _with_references(conn, query)
    return found[0] if found else None


def next_due(conn: sa.Connection, state: State) -> dt.datetime | None:
    """Return when something is to be done next with a request in *state*, None for never."""
    query = sa.select(sa.func.min(requests.c.due_at)).where(requests.c.state == state.value)
    found: dt.datetime | None = conn.scalar(query)
    return found


def without_address(conn: sa.Connection) -> list[tuple[str, int]]:
    """Return the peers whose reports wait for an address to call, by title, with how many wait."""
    columns = requests.c
    query = (
        sa.select(columns.ae_title, sa.func.count())
        .where(columns.state == State.READY.value, columns.reason == NO_ADDRESS)
        .group_by(columns.ae_title)
        .order_by(columns.ae_title)
    )
    return [(row[0], row[1]) for row in conn.execute(query)]


def forget(conn: sa.Connection, before: dt.datetime) -> int:
    """Delete what ended before *before*; returns how many requests went."""
    old = sa.select(requests.c.id).where(requests.c.ended_at < before)
    conn.execute(sa.delete(references).where(references.c.request_id.in_(old)))
    return conn.execute(sa.delete(requests).where(requests.c.ended_at < before)).rowcount


def _of_transaction(conn: sa.Connection, asked: Request) -> list[Request]:
    return _with_references(
        conn,
        sa.select(*_COLUMNS).where(
            requests.c.ae_title == asked.ae_title,
            requests.c.institution == asked.institution,
            requests.c.transaction_uid == asked.transaction_uid,
        ),
    )


def _ask_again(conn: sa.Connection, before: Request, asked: Request, due_at: dt.datetime) -> None:
    after = decide(before.state, Act.ASK_AGAIN)
    conn.execute(
        sa.update(references)
        .where(references.c.request_id == before.id)
        .values(verdict=Verdict.WAITING.value)
    )
    _move(
        conn,
        before.id,
        after,
        due_at=due_at,
        decided_at=None,
        ended_at=None,
        failures=0,
        **_asking(asked),
    )


def _asking(asked: Request) -> dict[str, Any]:
    mark = asked.mark
    return {
        "address": asked.address,
        "asked_at": asked.asked_at,
        "mark_segment": mark.segment if mark else None,
        "mark_offset": mark.offset if mark else None,
    }


def _state(conn: sa.Connection, request_id: str) -> State:
    query = sa.select(requests.c.state).where(requests.c.id == request_id)
    return State(conn.execute(query).scalar_one())


def _move(conn: sa.Connection, request_id: str, after: State, **values: Any) -> None:
    conn.execute(
        sa.update(requests).where(requests.c.id == request_id).values(state=after.value, **values)
    )


def _with_references(conn: sa.Connection, query: sa.Select[Any]) -> list[Request]:
    rows = list(conn.execute(query))
    found: dict[str, list[tuple[Reference, Verdict]]] = {row.id: [] for row in rows}
    columns = references.c
    listed = (
        sa.select(
            columns.request_id, columns.sop_class_uid, columns.sop_instance_uid, columns.verdict
        )
        .where(columns.request_id.in_(found))
        .order_by(columns.request_id, columns.number)
    )
    for row in conn.execute(listed) if found else ():
        reference = Reference(row.sop_class_uid, row.sop_instance_uid)
        found[row.request_id].append((reference, Verdict(row.verdict)))
    return [_request(row, found[row.id]) for row in rows]


def _request(row: sa.Row[Any], asked_about: Sequence[tuple[Reference, Verdict]]) -> Request:
    mark = None
    if row.mark_segment is not None:
        mark = Position(row.mark_segment, row.mark_offset)
    return Request(
        id=row.id,
        transaction_uid=row.transaction_uid,
        institution=row.institution,
        ae_title=row.ae_title,
        called_ae_title=row.called_ae_title,
        address=row.address,
        state=State(row.state),
        mark=mark,
        asked_at=row.asked_at,
        decided_at=row.decided_at,
        failures=row.failures,
        references=tuple(asked_about),
    )
