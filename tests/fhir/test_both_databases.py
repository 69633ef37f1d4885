"""The rooms' searches on SQLite and PostgreSQL: the same finds, the same order, the same pages."""

from pathlib import Path
from urllib.parse import parse_qsl

from gateway.fhir.interactions import Rooms, Searched
from gateway.fhir.search import parse_search, write_cursor
from kernel.fhir.resource import Asker
from kernel.identity import Institution, InstitutionKind, Principal, Role, put_institution
from kernel.sql.db import Database
from referrals.orders.acts import Acts
from referrals.orders.asked import NewPatient
from referrals.orders.gate import UncheckedGate
from tests.imaging.desk import open_desk as open_archive
from tests.imaging.sample import arrival, ct
from tests.orders.desk import AT, COUNTY, HEAD, LIU, QINGSHAN, ask, by, open_desk
from yilian.wiring.fhir import providers

EVERY = {
    "Patient": "active=true&birthdate=lt2030&gender:not=male&identifier=Q-1,99000019850702004X"
    "&name=liu&family=liu&given=xiao&_lastUpdated=ge2026&_sort=-birthdate&_id=a,b",
    "ServiceRequest": "authored=2026&code=x&identifier=A&occurrence=2026&patient=x&priority=stat"
    "&status:not=revoked&subject.identifier=Q-1&_lastUpdated=2026&_sort=occurrence&_id=a",
    "ImagingStudy": "identifier=A&modality:not=MR&patient=x&patient.identifier=Q-1&series=1.2"
    "&started=ne2026&status=available&_lastUpdated=2026&_sort=-_lastUpdated&_id=1.2",
    "Organization": "identifier=a&name:contains=a&partof=a&type=village&_sort=name&_id=a",
    "Location": "identifier=a&name:exact=a&organization=a&partof=a&_sort=-name&_id=a",
    "Practitioner": "active=true&identifier=a&name=a&_sort=name&_id=a",
    "PractitionerRole": "active=false&organization=a&practitioner=a&role=doctor&_id=a",
    "AuditEvent": "address:exact=a&address=b&altid=a&date=ge2026&outcome=0&site=a&subtype=changed"
    "&type=110110&_sort=date&_id=1",
}


def asker(role: Role) -> Asker:
    who = Principal("id-luoli", "luoli", "罗丽", frozenset({role}), QINGSHAN)
    return Asker(principal=who, at=AT, origin="http://localhost")


async def test_rooms_find_the_same_on_both_databases(database: Database, tmp_path: Path) -> None:
    desk = await open_desk(database, node=COUNTY, allots=True)
    rooms = Rooms(providers(Acts(desk.ledger, UncheckedGate(), desk.clock)))

    async def search(kind: str, query: str, role: Role = Role.REGISTRAR) -> Searched:
        definition = rooms.definition(kind)
        asked = parse_search(definition, parse_qsl(query), AT, strict=True)
        return await database.read(lambda conn: rooms.search(conn, asker(role), kind, asked))

    async def found(kind: str, query: str) -> list[str]:
        return [each.id for each in (await search(kind, query)).matches]

    house = Institution(QINGSHAN, "青山卫生院", InstitutionKind.TOWNSHIP)
    await database.write(lambda conn: put_institution(conn, house, at=AT))
    liu = await desk.desk.register(by(), LIU, ask())
    ma = await desk.desk.register(by(), NewPatient(name="马成功", patient_id="Q-1"), ask())
    order = await desk.order(ma)
    async with open_archive(database, tmp_path) as archive:
        told = arrival(institution=QINGSHAN)
        await archive.file(ct(1, study=1, PatientID="Q-1"), told=told)
        await archive.file(ct(1, study=2, PatientID="Q-2", StudyDate=""), told=told)
    assert await found("Patient", "family=ma") == [ma]
    assert await found("Patient", "birthdate=1985-07-02") == [liu]
    assert await found("Patient", "_sort=birthdate") == [ma, liu]
    assert await found("Patient", "_sort=-family") == [ma, liu]
    assert await found("ServiceRequest", f"patient.identifier=Q-1&code={HEAD.code}") == [order.id]
    one, two = await found("ImagingStudy", "_sort=-started")
    assert await found("ImagingStudy", f"patient={ma}") == [one]
    assert await found("ImagingStudy", "started=lt2030") == [one]
    assert await found("ImagingStudy", "_sort=_lastUpdated&_count=2") == [one, two]
    assert await found("Organization", "name=青山") == [QINGSHAN]
    pages: list[str] = []
    page = await search("Patient", "_count=1&_sort=_lastUpdated")
    while True:
        pages += [each.id for each in page.matches]
        if page.after is None:
            break
        used = [("_count", "1"), ("_sort", "_lastUpdated")]
        page = await search("Patient", f"_cursor={write_cursor(page.after, used)}")
    assert pages == [liu, ma]
    for kind, query in EVERY.items():
        role = Role.AUDIT_ADMINISTRATOR if kind == "AuditEvent" else Role.REGISTRAR
        assert (await search(kind, query, role)).after is None, kind
