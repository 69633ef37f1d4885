"""ImagingStudy: the studies of the archive in the asker's reach."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.model import StudyMissing
from imaging.archive.tables import series, study, study_reach
from imaging.fhir.ports import Number, Register
from imaging.fhir.resource import AVAILABLE, Shown, resource_of, version_of
from imaging.query.ways import lasting, within_reach
from kernel.audit.trail import AuditEvent
from kernel.dicom.shown import LEGAL_TIME
from kernel.fhir.datatypes import (
    DICOM_TERMS,
    DICOM_UIDS,
    RESIDENT_IDS,
    accession_system,
    patient_number_system,
)
from kernel.fhir.query import Criterion, Query, Token
from kernel.fhir.resource import (
    LAST_UPDATED,
    Asker,
    Found,
    Interaction,
    Look,
    Page,
    ParameterType,
    ResourceDefinition,
    SearchParameter,
)
from kernel.fhir.select import Condition, SortKey, any_of, at_instant, by_instant, on_day, run
from kernel.identity import PrincipalKind
from kernel.policy import (
    Act,
    Granted,
    Reach,
    Reason,
    Subject,
    reach,
    require,
    roles_for,
    shows_full_name,
)

_READERS: Final = roles_for(Act.READ_LIST)
_OID: Final = "urn:oid:"
_STATUS_SYSTEM: Final = "http://hl7.org/fhir/imagingstudy-status"
_STUDY_COLUMNS: Final = (
    *(study.c.id, study.c.study_instance_uid, study.c.institution, study.c.patient_id),
    *(study.c.patient_name, study.c.accession_number, study.c.study_date, study.c.study_time),
    *(study.c.timezone_offset_from_utc, study.c.modalities, study.c.study_description),
    *(study.c.referring_physician_name, study.c.series_count, study.c.instance_count),
    study.c.updated_at,
)
_SERIES_COLUMNS: Final = (
    *(series.c.study, series.c.series_instance_uid, series.c.modality, series.c.series_number),
    *(series.c.series_description, series.c.series_date, series.c.series_time),
    *(series.c.body_part_examined, series.c.instance_count),
)


def _whose(name: str) -> SearchParameter:
    return SearchParameter(
        name=name,
        type=ParameterType.REFERENCE,
        documentation="Whose it is.",
        targets=("Patient",),
        chains=frozenset({"identifier"}),
    )


DEFINITION: Final = ResourceDefinition(
    type="ImagingStudy",
    documentation="Studies of the archive in the asker's reach; the pixels are at the endpoint.",
    roles={Interaction.READ: _READERS, Interaction.SEARCH_TYPE: _READERS},
    parameters=(
        SearchParameter(
            name="_id", type=ParameterType.TOKEN, documentation="Its Study Instance UID."
        ),
        LAST_UPDATED,
        SearchParameter(
            name="identifier",
            type=ParameterType.TOKEN,
            documentation="Study Instance UID (urn:dicom:uid|urn:oid:…) or accession number.",
        ),
        SearchParameter(
            name="modality",
            type=ParameterType.TOKEN,
            documentation="Of one of its series.",
            modifiers=frozenset({"not"}),
        ),
        _whose("patient"),
        SearchParameter(
            name="series", type=ParameterType.TOKEN, documentation="UID of one of its series."
        ),
        SearchParameter(
            name="started", type=ParameterType.DATE, documentation="Study Date; by the day."
        ),
        SearchParameter(
            name="status",
            type=ParameterType.TOKEN,
            documentation="available, as all here are.",
            modifiers=frozenset({"not"}),
        ),
        _whose("subject"),
    ),
    sorts=frozenset({"_lastUpdated", "started"}),
    includes={"patient": "subject", "subject": "subject"},
    mandatory=frozenset({"status", "subject"}),
    summary=frozenset(
        {"identifier", "modality", "started", "referrer", "numberOfSeries", "numberOfInstances"}
        | {"description"}
    ),
)


class StudyRoom:
    """Studies at the FHIR door (``gateway.fhir.ports.ResourceProvider``)."""

    def __init__(self, register: Register) -> None:
        self._register = register

    @property
    def definition(self) -> ResourceDefinition:
        """What can be done with studies."""
        return DEFINITION

    def read(self, conn: sa.Connection, asker: Asker, key: str) -> Found:
        """Return the study; raises ``StudyMissing``."""
        allowed = _reach(asker)
        row = (
            conn.execute(
                sa.select(*_STUDY_COLUMNS).where(
                    study.c.study_instance_uid == key, within_reach(allowed)
                )
            )
            .mappings()
            .one_or_none()
        )
        if row is None:
            raise StudyMissing
        return self._found(conn, asker, allowed, [dict(row)])[0]

    def search(self, conn: sa.Connection, asker: Asker, query: Query) -> Page:
        """Return a page of the studies in the asker's reach."""
        allowed = _reach(asker)
        statement = sa.select(*_STUDY_COLUMNS).where(
            within_reach(allowed),
            *(self._condition(conn, asker, each) for each in query.criteria),
        )
        sorts = {
            "_lastUpdated": by_instant(study.c.updated_at),
            "started": SortKey(study.c.study_date),
        }
        found = run(conn, query, statement, SortKey(study.c.id, str, int), sorts)
        return found.page(self._found(conn, asker, allowed, found.rows))

    def _condition(self, conn: sa.Connection, asker: Asker, criterion: Criterion) -> Condition:
        if criterion.name in {"patient", "subject"}:
            wanted = [target.id for target in criterion.targets]
            return _of_numbers(self._register.numbers_of(conn, asker, wanted))
        if criterion.name in {"patient.identifier", "subject.identifier"}:
            known = self._register.numbers_like(conn, _resident(criterion.tokens))
            return any_of([_of_numbers(known), *map(_numbered, criterion.tokens)])
        return _CONDITIONS[criterion.name](criterion)

    def _found(
        self,
        conn: sa.Connection,
        asker: Asker,
        allowed: Reach,
        rows: Sequence[Mapping[str, Any]],
    ) -> list[Found]:
        ids = [row["id"] for row in rows]
        parts: dict[int, list[Mapping[str, Any]]] = {}
        for each in conn.execute(
            sa.select(*_SERIES_COLUMNS)
            .where(series.c.study.in_(ids))
            .order_by(series.c.series_number, series.c.id)
        ).mappings():
            parts.setdefault(each["study"], []).append(dict(each))
        people = self._register.resources_of(
            conn, asker, {(row["institution"], row["patient_id"]) for row in rows}
        )
        subjects = _subjects(conn, allowed, rows)
        full = shows_full_name(asker.principal)
        machine = asker.principal.kind is PrincipalKind.MACHINE
        found = []
        for row in rows:
            patient = people.get((row["institution"], row["patient_id"]), "")
            shown = Shown(origin=asker.origin, full_names=full, numbers=machine, patient=patient)
            why = require(asker.principal, Act.READ_LIST, subjects[row["id"]]).reason
            found.append(
                Found(
                    id=row["study_instance_uid"],
                    version=version_of(row),
                    resource=resource_of(row, parts.get(row["id"], []), shown),
                    last_updated=row["updated_at"],
                    look=Look(
                        subject=f"study:{row['study_instance_uid']}",
                        patient=row["patient_id"],
                        reason=why,
                        event=AuditEvent.STUDY_SEEN,
                    ),
                )
            )
        return found


def _reach(asker: Asker) -> Reach:
    return reach(asker.principal, at=asker.at)


def _subjects(
    conn: sa.Connection, allowed: Reach, rows: Sequence[Mapping[str, Any]]
) -> dict[int, Subject]:
    """Return, for each study, whose it is and by what the asker may see it."""
    may = study_reach.c
    routed: dict[int, set[str]] = {}
    granted: dict[int, set[Granted]] = {}
    for each in conn.execute(
        sa.select(may.study, may.institution, may.reason).where(
            may.study.in_([row["id"] for row in rows]),
            may.institution.in_(allowed.holders),
            lasting(may.until, allowed),
        )
    ):
        if each.reason:
            given = Granted(each.institution, Reason(each.reason))
            granted.setdefault(each.study, set()).add(given)
        else:
            routed.setdefault(each.study, set()).add(each.institution)
    return {
        row["id"]: Subject(
            row["institution"],
            routed_to=frozenset(routed.get(row["id"], set()) - {row["institution"]}),
            granted=frozenset(granted.get(row["id"], ())),
        )
        for row in rows
    }


def _of_numbers(numbers: Sequence[Number]) -> Condition:
    return any_of(
        [
            sa.and_(study.c.institution == institution, study.c.patient_id == number)
            for institution, number in numbers
        ]
    )


def _resident(tokens: Sequence[Token]) -> list[Token]:
    return [token for token in tokens if token.system in {None, RESIDENT_IDS}]


def _numbered(token: Token) -> Condition:
    """Return that the study's Patient ID is *token*; a house may use resident numbers as such."""
    if not token.code:
        return sa.false()
    same = study.c.patient_id == token.code
    if token.system in {None, RESIDENT_IDS}:
        return same
    house = _house(token.system, patient_number_system)
    return sa.false() if house is None else sa.and_(same, study.c.institution == house)


def _house(system: str, written: Callable[[str], str]) -> str | None:
    """Return which house's numbers *system* names, None for none."""
    before, _, after = written("\0").partition("\0")
    if not (system.startswith(before) and system.endswith(after)):
        return None
    return system[len(before) : len(system) - len(after)]


def _identified(criterion: Criterion) -> Condition:
    ways: list[Condition] = []
    for token in criterion.tokens:
        if not token.code:
            continue
        if token.system in {None, DICOM_UIDS}:
            ways.append(study.c.study_instance_uid == token.code.removeprefix(_OID))
        numbered = study.c.accession_number == token.code
        if token.system is None:
            ways.append(numbered)
        elif (house := _house(token.system, accession_system)) is not None:
            ways.append(sa.and_(numbered, study.c.institution == house))
    return any_of(ways)


def _with_series(column: sa.ColumnElement[str], codes: Sequence[str]) -> Condition:
    return sa.exists().where(series.c.study == study.c.id, column.in_(codes)).correlate(study)


def _modality(criterion: Criterion) -> Condition:
    codes = [token.code for token in criterion.tokens if token.system in {None, DICOM_TERMS}]
    found = _with_series(series.c.modality, sorted(codes))
    return sa.not_(found) if criterion.modifier == "not" else found


def _series_uid(criterion: Criterion) -> Condition:
    uids = [token.code.removeprefix(_OID) for token in criterion.tokens]
    return _with_series(series.c.series_instance_uid, sorted(uids))


def _status(criterion: Criterion) -> Condition:
    asked = any(token.fits(_STATUS_SYSTEM, AVAILABLE) for token in criterion.tokens)
    return sa.true() if asked is not (criterion.modifier == "not") else sa.false()


_CONDITIONS: Final[Mapping[str, Callable[[Criterion], Condition]]] = MappingProxyType(
    {
        "_id": lambda each: study.c.study_instance_uid.in_([one.code for one in each.tokens]),
        "_lastUpdated": lambda each: at_instant(study.c.updated_at, each),
        "identifier": _identified,
        "modality": _modality,
        "series": _series_uid,
        "started": lambda each: on_day(
            sa.func.nullif(study.c.study_date, ""), each, LEGAL_TIME, shape="%Y%m%d"
        ),
        "status": _status,
    }
)
