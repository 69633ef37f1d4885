"""The queue of each destination: studies, their instances, and how the destination does."""

from typing import Final

import sqlalchemy as sa

from gateway.deliveries.model import State
from kernel.sql.columns import Code, RowId, UtcDateTime, metadata

deliveries: Final = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    # Kind and name, such as ``dicom:PACS2``.
    sa.Column("destination", Code, nullable=False),
    sa.Column("study_instance_uid", Code, nullable=False),
    sa.Column("institution", Code, nullable=False),
    # 0 emergency, 1 urgent, 2 routine, 3 backfill.
    sa.Column("priority", sa.SmallInteger(), nullable=False),
    sa.Column("rule", sa.Text(), nullable=False, server_default=""),
    # Who had it sent by hand; empty where a rule did.
    sa.Column("asked_by", sa.Text(), nullable=False, server_default=""),
    # Something is pending or being sent.
    sa.Column("is_open", sa.Boolean(), nullable=False),
    # Rises with each turn the study has, so that those of one priority take turns.
    sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0"),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("destination", "study_instance_uid"),
    sa.Index("ix_deliveries_study_instance_uid", "study_instance_uid"),
)
sa.Index(
    "ix_deliveries_open",
    deliveries.c.destination,
    deliveries.c.priority,
    deliveries.c.turn,
    sqlite_where=deliveries.c.is_open,
    postgresql_where=deliveries.c.is_open,
)

instances: Final = sa.Table(
    "delivery_instances",
    metadata,
    sa.Column(
        "delivery", RowId, sa.ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("sop_instance_uid", Code, primary_key=True),
    # Its place in the study.
    sa.Column("number", sa.Integer(), nullable=False),
    sa.Column("state", Code, nullable=False),
    # Turns it was put back from since it last joined the queue.
    sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
    # The last answer; none where the line broke.
    sa.Column("status", sa.Integer(), nullable=True),
    sa.Column("reason", sa.Text(), nullable=False, server_default=""),
    # It broke the line more than once, and waits by itself.
    sa.Column("not_before", UtcDateTime, nullable=True),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)
sa.Index(
    "ix_delivery_instances_left",
    instances.c.delivery,
    instances.c.state,
    instances.c.attempts,
    instances.c.number,
    sqlite_where=instances.c.state != State.DONE.value,
    postgresql_where=instances.c.state != State.DONE.value,
)

places: Final = sa.Table(
    "delivery_places",
    metadata,
    sa.Column("destination", Code, primary_key=True),
    sa.Column("failures", sa.Integer(), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False, server_default=""),
    sa.Column("next_try_at", UtcDateTime, nullable=True),
    sa.Column("succeeded_at", UtcDateTime, nullable=True),
)
