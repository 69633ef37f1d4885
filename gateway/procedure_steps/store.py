"""Performed procedure steps in SQL."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from gateway.dimse.attributes import Attributes, Value
from gateway.procedure_steps.machine import State
from gateway.procedure_steps.model import Performed, PerformedStep
from gateway.procedure_steps.tables import steps


def _columns() -> sa.Select[Any]:
    columns = steps.c
    return sa.select(
        columns.sop_instance_uid,
        columns.institution,
        columns.ae_title,
        columns.state,
        columns.attributes,
        columns.version,
        columns.changed_at,
    )


def _step(row: sa.Row[Any]) -> PerformedStep:
    return PerformedStep(
        sop_instance_uid=row.sop_instance_uid,
        institution=row.institution,
        ae_title=row.ae_title,
        state=State(row.state),
        attributes=_thawed(row.attributes),
        version=row.version,
        changed_at=row.changed_at,
    )


def find(conn: sa.Connection, sop_instance_uid: str) -> PerformedStep | None:
    """Return the step *sop_instance_uid*, None where there is none."""
    row = conn.execute(_columns().where(steps.c.sop_instance_uid == sop_instance_uid)).one_or_none()
    return None if row is None else _step(row)


def add(conn: sa.Connection, step: PerformedStep) -> None:
    """Add *step*.

    Raises:
        sqlalchemy.exc.IntegrityError: there is one of that UID.
    """
    conn.execute(
        sa.insert(steps).values(
            sop_instance_uid=step.sop_instance_uid,
            institution=step.institution,
            ae_title=step.ae_title,
            created_at=step.changed_at,
            **_changing(step),
        )
    )


def change(conn: sa.Connection, step: PerformedStep) -> None:
    """Make the step of *step*'s UID what *step* says."""
    conn.execute(
        sa.update(steps)
        .where(steps.c.sop_instance_uid == step.sop_instance_uid)
        .values(**_changing(step))
    )


def performed(conn: sa.Connection, study_instance_uid: str) -> Performed | None:
    """Return what the devices say of a study, None where none said anything."""
    found = [
        _step(row)
        for row in conn.execute(_columns().where(steps.c.study_instance_uid == study_instance_uid))
    ]
    if not found:
        return None
    is_over = all(step.state is not State.IN_PROGRESS for step in found)
    told = not is_over or all(step.counts for step in found)
    named = frozenset(uid for step in found for uid in step.instances())
    return Performed(is_over=is_over, instances=named if told else frozenset())


def _changing(step: PerformedStep) -> dict[str, Any]:
    return {
        "state": step.state.value,
        "study_instance_uid": step.study_instance_uid,
        "attributes": _frozen(step.attributes),
        "version": step.version,
        "changed_at": step.changed_at,
    }


def _frozen(attributes: Attributes) -> dict[str, Any]:
    return {
        # PostgreSQL keeps no NUL in JSON, and none means anything in a value.
        keyword: value.replace("\0", "")
        if isinstance(value, str)
        else [_frozen(item) for item in value]
        for keyword, value in attributes.items()
    }


def _thawed(kept: Mapping[str, Any]) -> dict[str, Value]:
    return {
        keyword: value if isinstance(value, str) else tuple(_thawed(item) for item in value)
        for keyword, value in kept.items()
    }
