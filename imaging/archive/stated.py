"""What an object states of its study and series, as the index has it."""

from collections.abc import Mapping
from typing import Any, Final

from imaging.archive.examined import Examined
from imaging.patients.names import FORM_MAX, fold
from imaging.query.matching import normal_date, normal_time
from kernel.dicom.bounds import bounded, bounded_name

STUDY_TOLD: Final = (
    "patient_name",
    "patient_name_declared",
    "patient_sex",
    "patient_birth_date",
    "patient_age",
    "study_date",
    "study_time",
    "accession_number",
    "study_id",
    "study_description",
    "referring_physician_name",
    "referring_physician_folded",
    "institution_name",
    "timezone_offset_from_utc",
    "body_part_examined",
)
"""Columns of a study that are what its first object says, gaps filled by later ones."""
PUT_RIGHT: Final = frozenset(
    {
        *("patient_name", "patient_name_declared", "patient_sex", "patient_birth_date"),
        *("patient_age", "accession_number"),
    }
)
"""What objects no longer say where a person said whose the study is."""
_TAGS: Final = {
    "patient_id": "00100020",
    "issuer_of_patient_id": "00100021",
    "patient_name": "00100010",
    "patient_sex": "00100040",
    "patient_birth_date": "00100030",
    "patient_age": "00101010",
    "study_date": "00080020",
    "study_time": "00080030",
    "accession_number": "00080050",
    "study_id": "00200010",
    "study_description": "00081030",
    "referring_physician_name": "00080090",
    "institution_name": "00080080",
    "timezone_offset_from_utc": "00080201",
    "body_part_examined": "00180015",
}
_DATES: Final = frozenset({"patient_birth_date", "study_date"})
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def folded_name(name: str) -> str:
    """Return *name* folded; folding may make a character many, and an index takes so much."""
    return fold(name)[:FORM_MAX]


def study_told(each: Examined) -> dict[str, str]:
    """Return what *each* says of its study, by column."""
    header = each.header
    return {
        "patient_name": header.patient_name,
        "patient_name_declared": each.declared_name,
        "patient_sex": header.patient_sex,
        "patient_birth_date": header.patient_birth_date,
        "patient_age": header.patient_age,
        "study_date": header.study_date,
        "study_time": normal_time(header.study_time),
        "accession_number": header.accession_number,
        "study_id": header.study_id,
        "study_description": header.study_description,
        "referring_physician_name": header.referring_physician_name,
        "referring_physician_folded": folded_name(header.referring_physician_name),
        "institution_name": header.institution_name,
        "timezone_offset_from_utc": each.extras.timezone_offset_from_utc,
        "body_part_examined": header.body_part_examined,
    }


def series_told(each: Examined) -> dict[str, Any]:
    """Return what *each* says of its series, by column."""
    header, extras = each.header, each.extras
    return {
        "modality": header.modality,
        "series_number": header.series_number,
        "series_description": header.series_description,
        "series_date": header.series_date,
        "series_time": normal_time(header.series_time),
        "body_part_examined": header.body_part_examined,
        "laterality": extras.laterality,
        "protocol_name": header.protocol_name,
        "manufacturer": header.manufacturer,
        "station_name": header.station_name,
        "institution_name": header.institution_name,
        "performed_procedure_step_start_date": normal_date(
            extras.performed_procedure_step_start_date
        ),
        "performed_procedure_step_start_time": normal_time(
            extras.performed_procedure_step_start_time
        ),
        "scheduled_procedure_step_id": extras.scheduled_procedure_step_id,
        "requested_procedure_id": extras.requested_procedure_id,
    }


def told_by_json(data_set: Mapping[str, Any]) -> dict[str, str]:
    """Return what the DICOM JSON object *data_set* says of its study and patient, by column."""
    told = {name: _first(data_set.get(tag)) for name, tag in _TAGS.items()}
    for name in _DATES:
        told[name] = normal_date(told[name])
    told["study_time"] = normal_time(told["study_time"])
    return told


def _first(element: Any) -> str:
    values = element.get("Value", []) if isinstance(element, Mapping) else []
    value = values[0] if values else ""
    if isinstance(value, Mapping):
        # Person Name (PS3.18 F.2.2); empty groups at the end are left out.
        name = "=".join(str(value.get(group, "")) for group in _GROUPS).rstrip("=")
        return bounded_name(name.replace("\0", ""))
    return bounded(value) if isinstance(value, str) else ""
