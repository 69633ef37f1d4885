"""Who there is: institutions, the roles of their people and machines, and DICOM peers.

How somebody proves who they are (passwords, sessions, tokens) is the front door's business; the
rooms behind it see a ``Principal`` and nothing else.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from kernel.sql.columns import UtcDateTime, metadata


class Role(StrEnum):
    """What somebody does; the names in files and in the API."""

    TECHNICIAN = "technician"
    RADIOLOGIST = "radiologist"
    SENIOR_RADIOLOGIST = "senior-radiologist"
    ECG_PHYSICIAN = "ecg-physician"
    DOCTOR = "doctor"
    VILLAGE_DOCTOR = "village-doctor"
    WARD = "ward"
    EMERGENCY_DESK = "emergency-desk"
    REGISTRAR = "registrar"
    COORDINATOR = "coordinator"
    LABORATORY = "laboratory"
    CATALOGUE_EDITOR = "catalogue-editor"
    MANAGER = "manager"
    ASSISTANCE_WORKER = "assistance-worker"
    PRIVACY_OFFICER = "privacy-officer"
    SYSTEM_ADMINISTRATOR = "system-administrator"
    """Institutions, DICOM peers, how the machines run. No patient, no account, no audit trail."""
    SECURITY_ADMINISTRATOR = "security-administrator"
    """Accounts, their roles, passwords and tokens. No patient, no audit trail."""
    AUDIT_ADMINISTRATOR = "audit-administrator"
    """The audit trail and its verification. No patient, no account."""


ADMINISTRATORS: Final = frozenset(
    {Role.SYSTEM_ADMINISTRATOR, Role.SECURITY_ADMINISTRATOR, Role.AUDIT_ADMINISTRATOR}
)
"""The three that must never meet in one account (GB/T 22239 8.1.4.2), nor with any other role."""

CARE: Final = frozenset(
    {
        Role.TECHNICIAN,
        Role.RADIOLOGIST,
        Role.SENIOR_RADIOLOGIST,
        Role.ECG_PHYSICIAN,
        Role.DOCTOR,
        Role.VILLAGE_DOCTOR,
        Role.WARD,
        Role.EMERGENCY_DESK,
        Role.REGISTRAR,
        Role.COORDINATOR,
        Role.LABORATORY,
    }
)
"""Those who need a patient's name to do their work; everybody else sees it masked."""


class InstitutionKind(StrEnum):
    """What kind of house it is."""

    VILLAGE = "village"
    TOWNSHIP = "township"
    COUNTY = "county"
    TCM = "tcm"
    MATERNAL_CHILD = "maternal-child"
    CDC = "cdc"
    CITY = "city"
    OUT_OF_COUNTY = "out-of-county"


class PrincipalKind(StrEnum):
    """Whether somebody or something is asking."""

    PERSON = "person"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Institution:
    """One house of the medical community, or one it deals with."""

    code: str
    name: str
    kind: InstitutionKind
    parent: str | None = None
    """Code of the institution it belongs to; None for the head of the community."""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, already proven."""

    user_id: str
    username: str
    display_name: str
    roles: frozenset[Role]
    institution: str
    """Code of the institution they act for."""
    kind: PrincipalKind = PrincipalKind.PERSON
    township: str = ""
    """For people of a village house: code of the institution it belongs to, in whose register they
    find and order; empty for everybody else."""

    def has(self, *wanted: Role) -> bool:
        """Tell whether any of *wanted* is among the roles."""
        return not self.roles.isdisjoint(wanted)


@dataclass(frozen=True, slots=True)
class ApplicationEntity:
    """A DICOM peer the acceptor knows. Its title says who it claims to be, and proves nothing."""

    ae_title: str
    institution: str
    host: str = ""
    """Address it calls from and is called back at; empty for any."""
    port: int = 0
    """Where it listens; 0 when it never does."""
    max_associations: int = 8
    charset_hint: str = ""
    """What its text really is when it declares none or declares it wrongly, such as GB18030."""
    may_store: bool = True
    may_query: bool = False
    tls_required: bool = False


institutions: Final = sa.Table(
    "institutions",
    metadata,
    sa.Column("code", sa.String(64), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("parent_code", sa.ForeignKey("institutions.code"), index=True),
    sa.Column("phone", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

application_entities: Final = sa.Table(
    "application_entities",
    metadata,
    sa.Column("ae_title", sa.String(16), primary_key=True),
    sa.Column("institution", sa.ForeignKey("institutions.code"), nullable=False, index=True),
    sa.Column("host", sa.Text, nullable=False, server_default=""),
    sa.Column("port", sa.Integer, nullable=False, server_default="0"),
    sa.Column("max_associations", sa.Integer, nullable=False),
    sa.Column("charset_hint", sa.String(64), nullable=False, server_default=""),
    sa.Column("may_store", sa.Boolean, nullable=False),
    sa.Column("may_query", sa.Boolean, nullable=False),
    sa.Column("tls_required", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)


def _institution(row: sa.Row[str, str, str, str | None, str]) -> Institution:
    return Institution(row[0], row[1], InstitutionKind(row[2]), row[3], row[4])


def _institution_columns() -> sa.Select[str, str, str, str | None, str]:
    columns = institutions.c
    return sa.select(
        columns.code, columns.name, columns.kind, columns.parent_code, columns.phone
    ).order_by(columns.code)


def all_institutions(conn: sa.Connection) -> list[Institution]:
    """Return every institution, by code."""
    return [_institution(row) for row in conn.execute(_institution_columns())]


def find_institution(conn: sa.Connection, code: str) -> Institution | None:
    """Return the institution called *code*, or None."""
    row = conn.execute(_institution_columns().where(institutions.c.code == code)).one_or_none()
    return None if row is None else _institution(row)


def put_institution(conn: sa.Connection, institution: Institution, *, at: dt.datetime) -> None:
    """Add *institution*, or change the one of that code to it.

    Raises:
        sqlalchemy.exc.IntegrityError: the parent does not exist.
    """
    values = {
        "name": institution.name,
        "kind": institution.kind.value,
        "parent_code": institution.parent,
        "phone": institution.phone,
    }
    changed = conn.execute(
        sa.update(institutions).where(institutions.c.code == institution.code).values(values)
    )
    if changed.rowcount == 0:
        conn.execute(sa.insert(institutions).values(code=institution.code, created_at=at, **values))


def ae_table(conn: sa.Connection) -> list[ApplicationEntity]:
    """Return every DICOM peer, by title."""
    columns = application_entities.c
    query = sa.select(
        columns.ae_title,
        columns.institution,
        columns.host,
        columns.port,
        columns.max_associations,
        columns.charset_hint,
        columns.may_store,
        columns.may_query,
        columns.tls_required,
    ).order_by(columns.ae_title)
    return [ApplicationEntity(*row) for row in conn.execute(query)]


def find_ae(conn: sa.Connection, ae_title: str) -> ApplicationEntity | None:
    """Return the peer called *ae_title*, or None."""
    return next((one for one in ae_table(conn) if one.ae_title == ae_title), None)


def put_ae(conn: sa.Connection, peer: ApplicationEntity, *, at: dt.datetime) -> None:
    """Add *peer*, or change the one of that title to it.

    Raises:
        sqlalchemy.exc.IntegrityError: the institution does not exist.
    """
    table = application_entities
    values = {
        "institution": peer.institution,
        "host": peer.host,
        "port": peer.port,
        "max_associations": peer.max_associations,
        "charset_hint": peer.charset_hint,
        "may_store": peer.may_store,
        "may_query": peer.may_query,
        "tls_required": peer.tls_required,
    }
    changed = conn.execute(sa.update(table).where(table.c.ae_title == peer.ae_title).values(values))
    if changed.rowcount == 0:
        conn.execute(sa.insert(table).values(ae_title=peer.ae_title, created_at=at, **values))


def remove_ae(conn: sa.Connection, ae_title: str) -> bool:
    """Forget the peer called *ae_title*; returns whether there was one."""
    table = application_entities
    return conn.execute(sa.delete(table).where(table.c.ae_title == ae_title)).rowcount > 0
