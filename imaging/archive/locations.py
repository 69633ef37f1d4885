"""Rows of instances as places: which columns tell where one lies and in what form."""

from typing import Any, Final

import msgspec

from imaging.archive.correction import Correction
from imaging.archive.model import InstanceLocation
from imaging.archive.tables import instance, series, study
from kernel.arrival import NativeForm

LOCATION_COLUMNS: Final = (
    study.c.study_instance_uid,
    series.c.series_instance_uid,
    instance.c.sop_instance_uid,
    instance.c.sop_class_uid,
    instance.c.transfer_syntax_uid,
    instance.c.native_transfer_syntax_uid,
    instance.c.native_photometric_interpretation,
    instance.c.native_planar_configuration,
    instance.c.native_pixel_vr,
    instance.c.object_key,
    instance.c.size_bytes,
    instance.c.dataset_offset,
    instance.c.pixel_offset,
    instance.c.pixel_length,
    instance.c.number_of_frames,
    instance.c.instance_number,
    instance.c.dataset_digest,
    instance.c.pixels_digest,
    instance.c.institution.label("instance_institution"),
    study.c.correction,
)


def location_of(row: Any) -> InstanceLocation:
    """Return the place a row of ``LOCATION_COLUMNS`` tells."""
    return InstanceLocation(
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        native=native_of(row),
        object_key=row.object_key,
        size_bytes=row.size_bytes,
        dataset_offset=row.dataset_offset,
        pixel_offset=row.pixel_offset,
        pixel_length=row.pixel_length,
        number_of_frames=row.number_of_frames or 0,
        instance_number=row.instance_number,
        dataset_digest=row.dataset_digest,
        pixels_digest=row.pixels_digest,
        institution=row.instance_institution,
        correction=correction_of(row.correction),
    )


def correction_of(kept: Any) -> Correction | None:
    """Return what ``study.correction`` says, None where nobody put anything right."""
    return msgspec.convert(kept, Correction) if kept else None


def native_of(row: Any) -> NativeForm | None:
    """Return what the object was before it was compressed here, None where it is as it came."""
    if not row.native_transfer_syntax_uid:
        return None
    return NativeForm(
        transfer_syntax_uid=row.native_transfer_syntax_uid,
        photometric_interpretation=row.native_photometric_interpretation,
        planar_configuration=row.native_planar_configuration,
        pixel_vr=row.native_pixel_vr,
    )
