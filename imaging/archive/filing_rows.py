"""Rows an examined object becomes."""

import datetime as dt
from typing import Any

import msgspec

from imaging.archive.examined import Examined, Opaque
from imaging.archive.filing_studies import Place
from imaging.archive.model import OTHER_CONTENT
from kernel.arrival import Arrival
from kernel.journal.frames import Position


def instance_row(each: Examined, place: Place) -> dict[str, Any]:
    """Return the row of an instance that stands at *place*."""
    header, arrival = each.header, each.arrival
    return {
        "study": place.study,
        "series": place.series,
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": header.sop_class_uid,
        "transfer_syntax_uid": each.transfer_syntax_uid,
        "instance_number": header.instance_number,
        "rows": header.rows,
        "columns": header.columns,
        "bits_allocated": header.bits_allocated,
        "number_of_frames": header.number_of_frames if header.rows else None,
        "object_key": each.key,
        "size_bytes": each.size_bytes,
        "dataset_offset": each.dataset_offset,
        "pixel_offset": each.pixel_offset,
        "pixel_length": each.pixel_length,
        **_native_form(arrival),
        "dataset_digest": each.digest.dataset,
        "pixels_digest": each.digest.pixels,
        "institution": arrival.sender.institution,
        "ae_title": arrival.sender.ae_title,
        "called_ae_title": arrival.sender.called_ae_title,
        "address": arrival.sender.address,
        "door": arrival.door.value,
        "oddities": " ".join((*each.oddities, *place.oddities)),
        "received_at": arrival.received_at,
        "metadata_json": each.metadata_json,
    }


def conflict_row(each: Examined, at: dt.datetime) -> dict[str, Any]:
    """Return the row of a content kept beside the one that answers, without where that stands."""
    return {
        "sop_instance_uid": each.header.sop_instance_uid,
        "study_instance_uid": each.header.study_instance_uid,
        "series_instance_uid": each.header.series_instance_uid,
        "sop_class_uid": each.header.sop_class_uid,
        "transfer_syntax_uid": each.transfer_syntax_uid,
        "object_key": each.key,
        "size_bytes": each.size_bytes,
        "dataset_offset": each.dataset_offset,
        "dataset_digest": each.digest.dataset,
        "pixels_digest": each.digest.pixels,
        "reason": OTHER_CONTENT,
        "institution": each.arrival.sender.institution,
        "ae_title": each.arrival.sender.ae_title,
        "called_ae_title": each.arrival.sender.called_ae_title,
        "address": each.arrival.sender.address,
        "door": each.arrival.door.value,
        "oddities": " ".join(each.oddities),
        "seen_count": 1,
        "received_at": each.arrival.received_at,
        "kept_at": at,
        "metadata_json": each.metadata_json,
        **_native_form(each.arrival),
    }


def aside_row(
    journal: str, entry: tuple[Position, int], each: Opaque, at: dt.datetime
) -> dict[str, Any]:
    """Return the row of what nobody can read, which is *entry* of *journal*."""
    position, number = entry
    arrival = each.arrival
    return {
        "journal": journal,
        "segment": position.segment,
        "position": position.offset,
        "entry": number,
        "object_key": each.key,
        "size_bytes": each.size_bytes,
        "sop_instance_uid": arrival.sop_instance_uid if arrival else "",
        "study_instance_uid": arrival.study_instance_uid if arrival else "",
        "institution": arrival.sender.institution if arrival else "",
        "reason": each.reason,
        "detail": each.detail,
        "arrival": msgspec.to_builtins(arrival) if arrival else None,
        "set_aside_at": at,
    }


def refused_object(each: Examined | Opaque, detail: str) -> Opaque:
    """Return *each* as what the database does not take."""
    return Opaque(
        arrival=each.arrival,
        key=each.key,
        reason="not-filed",
        detail=detail,
        size_bytes=each.size_bytes,
    )


def _native_form(arrival: Arrival) -> dict[str, Any]:
    """Return how the pixels were before they were compressed for the line."""
    native = arrival.native
    return {
        "native_transfer_syntax_uid": native.transfer_syntax_uid if native else "",
        "native_photometric_interpretation": native.photometric_interpretation if native else "",
        "native_planar_configuration": native.planar_configuration if native else None,
        "native_pixel_vr": native.pixel_vr if native else "",
    }
