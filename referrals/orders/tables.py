"""The tables of orders, the same at a township and at the county.

``order_patients`` and ``orders`` hold what is true now; ``order_versions`` every version there ever
was, by whichever node wrote it, and nothing is ever taken out of it. What is true now follows from
the versions alone (``merge``), whatever the order in which they came.
"""

from typing import Final

import sqlalchemy as sa

from kernel.sql.columns import Code, JsonDocument, UtcDateTime, metadata

_ID: Final = sa.String(26)
_INSTITUTION: Final = sa.String(64)


def _code(name: str) -> sa.Column[str]:
    return sa.Column(name, Code, nullable=False, server_default="")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


def _instant(name: str) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime, nullable=True)


patients: Final = sa.Table(
    "order_patients",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("institution", _INSTITUTION, nullable=False),
    # Two nodes of one institution may register one number; both are kept and shown.
    _code("patient_id"),
    _text("name"),
    _text("name_pinyin"),
    _code("sex"),
    sa.Column("birth_date", sa.Date(), nullable=True),
    _code("resident_id"),
    _text("phone"),
    # NULL, or what is known of somebody nobody knows.
    sa.Column("temporary", JsonDocument, nullable=True),
    _code("status"),
    # Id of the patient this one turned out to be.
    sa.Column("reconciled_with", _ID, nullable=False, server_default=""),
    _text("registered_by"),
    sa.Column("registered_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("version", sa.Integer(), nullable=False),
    # Codes of the nodes that registered it and that wrote this version.
    _code("origin_node"),
    _code("written_by_node"),
    sa.Column("conflicts", sa.Integer(), nullable=False, server_default="0"),
    sa.Index("ix_order_patients_institution", "institution", "id"),
    sa.Index("ix_order_patients_patient_id", "institution", "patient_id"),
    sa.Index("ix_order_patients_resident_id", "institution", "resident_id"),
    # Of all houses: one person has one number.
    sa.Index("ix_order_patients_resident", "resident_id"),
    sa.Index("ix_order_patients_registered_at", "institution", "registered_at"),
)

_FOUND_TO_BE: Final = patients.c.reconciled_with != sa.literal_column("''")
sa.Index(
    "ix_order_patients_reconciled_with",
    patients.c.reconciled_with,
    sqlite_where=_FOUND_TO_BE,
    postgresql_where=_FOUND_TO_BE,
)

patient_terms: Final = sa.Table(
    "order_patient_terms",
    metadata,
    sa.Column("institution", _INSTITUTION, primary_key=True),
    # What somebody may type to find the patient; found by its beginning.
    sa.Column("text", Code, primary_key=True),
    sa.Column("patient", sa.ForeignKey(patients.c.id), primary_key=True),
    sa.Index("ix_order_patient_terms_patient", "patient"),
    sqlite_with_rowid=False,
)

orders: Final = sa.Table(
    "orders",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("institution", _INSTITUTION, nullable=False),
    # No foreign key: an order may reach a node before its patient does.
    sa.Column("patient", _ID, nullable=False),
    # Whom it was ordered for, where that patient turned out to be another.
    sa.Column("first_patient", _ID, nullable=False, server_default=""),
    _code("accession_number"),
    sa.Column("former_accession_numbers", JsonDocument, nullable=False),
    _code("study_instance_uid"),
    _code("requested_procedure_id"),
    _code("scheduled_procedure_step_id"),
    _code("examination_code"),
    _text("examination_name"),
    sa.Column("examination_example", sa.Boolean(), nullable=False, server_default=sa.false()),
    _code("modality"),
    _code("body_part"),
    _code("station_ae_title"),
    sa.Column("scheduled_at", UtcDateTime, nullable=False),
    _code("priority"),
    _code("patient_class"),
    _text("clinical_question"),
    _text("ordered_by"),
    _text("ordered_by_name"),
    sa.Column("ordered_at", UtcDateTime, nullable=False),
    _code("state"),
    _text("ended_reason"),
    _instant("performed_at"),
    _instant("ended_at"),
    sa.Column("recognition_checked", sa.Boolean(), nullable=False),
    # Id of the order this one repeats.
    sa.Column("replaces", _ID, nullable=False, server_default=""),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("version", sa.Integer(), nullable=False),
    _code("origin_node"),
    _code("written_by_node"),
    sa.Column("conflicts", sa.Integer(), nullable=False, server_default="0"),
    sa.Index("ix_orders_scheduled_at", "institution", "scheduled_at", "id"),
    sa.Index("ix_orders_patient", "patient", "id"),
    sa.Index("ix_orders_accession_number", "institution", "accession_number"),
    sa.Index("ix_orders_study_instance_uid", "study_instance_uid"),
    sa.Index("ix_orders_state", "institution", "state", "scheduled_at"),
)

versions: Final = sa.Table(
    "order_versions",
    metadata,
    # "patient" or "order"
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("record", _ID, primary_key=True),
    sa.Column("version", sa.Integer(), primary_key=True),
    sa.Column("node", Code, primary_key=True),
    # Which of two equal versions is shown (``merge``).
    sa.Column("weight", sa.Integer(), nullable=False),
    sa.Column("settles", sa.Boolean(), nullable=False),
    # SHA-256 of what a person would call its content.
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("act", sa.String(32), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    _text("by_username"),
    _text("by_name"),
    _text("reason"),
    # The whole record as it then was.
    sa.Column("body", JsonDocument, nullable=False),
)

_IN_CONFLICT: Final = {
    "ix_orders_conflicts": (orders.c.id, orders.c.conflicts > 0),
    "ix_order_patients_conflicts": (patients.c.id, patients.c.conflicts > 0),
    "ix_order_versions_settles": (versions.c.at, versions.c.settles),
}
"""Few records wait for a person; the lists of them are as long as that, not as the tables."""
for _name, (_column, _which) in _IN_CONFLICT.items():
    sa.Index(_name, _column, sqlite_where=_which, postgresql_where=_which)

accession_prefixes: Final = sa.Table(
    "accession_prefixes",
    metadata,
    sa.Column("institution", _INSTITUTION, primary_key=True),
    sa.Column("prefix", Code, nullable=False, unique=True),
)

accession_blocks: Final = sa.Table(
    "accession_blocks",
    metadata,
    sa.Column("institution", _INSTITUTION, primary_key=True),
    sa.Column("prefix", Code, primary_key=True),
    sa.Column("first", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("last", sa.BigInteger(), nullable=False),
    # Code of the node that may use it.
    _code("node"),
    # Id of the box it was told to, at the county: one that replaces another gets its own.
    _code("box"),
    # The next number to give out, last + 1 when it is used up; kept by that node alone.
    sa.Column("next", sa.BigInteger(), nullable=False),
    sa.Column("allotted_at", UtcDateTime, nullable=False),
    sa.Index("ix_accession_blocks_node", "node", "institution", "first"),
)

accession_claims: Final = sa.Table(
    "accession_claims",
    metadata,
    # A number belongs to one order, whichever node gave it out.
    sa.Column("institution", _INSTITUTION, primary_key=True),
    sa.Column("accession_number", Code, primary_key=True),
    sa.Column("order", _ID, nullable=False),
    sa.Column("claimed_at", UtcDateTime, nullable=False),
    sa.Index("ix_accession_claims_order", "order"),
)

accession_former: Final = sa.Table(
    "accession_former",
    metadata,
    # A number an order had to give up: it stands on its images, and is another order's now.
    sa.Column("institution", _INSTITUTION, primary_key=True),
    sa.Column("accession_number", Code, primary_key=True),
    sa.Column("order", _ID, primary_key=True),
    sa.Index("ix_accession_former_order", "order"),
)

examinations: Final = sa.Table(
    "examinations",
    metadata,
    sa.Column("institution", _INSTITUTION, primary_key=True),
    sa.Column("code", Code, primary_key=True),
    _text("name"),
    _code("modality"),
    _code("body_part"),
    # Written for demonstrations; bears no legal force.
    sa.Column("example", sa.Boolean(), nullable=False),
    # How its name and its modality are read (``examination_terms``).
    sa.Column("terms", JsonDocument, nullable=False),
    sa.Column("position", sa.Integer(), nullable=False),
)

catalogues: Final = sa.Table(
    "examination_catalogues",
    metadata,
    sa.Column("institution", _INSTITUTION, primary_key=True),
    # Which edition of its rows stands here, and the code of the node that wrote it.
    sa.Column("version", sa.BigInteger(), nullable=False),
    _code("node"),
)

catalogue_parts: Final = sa.Table(
    "examination_catalogue_parts",
    metadata,
    sa.Column("institution", _INSTITUTION, primary_key=True),
    sa.Column("node", Code, primary_key=True),
    sa.Column("part", sa.Integer(), primary_key=True),
    # Of an edition of which not all parts are here.
    sa.Column("version", sa.BigInteger(), nullable=False),
    sa.Column("rows", JsonDocument, nullable=False),
)

orders_cursor: Final = sa.Table(
    "orders_cursor",
    metadata,
    sa.Column("consumer", sa.String(64), primary_key=True),
    sa.Column("event_id", sa.BigInteger(), nullable=False),
)
