"""The transactions of the service as the standard names them, with what each takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from imaging.dicomweb.negotiate import DICOM, JSON, OCTETS, XML


@dataclass(frozen=True, slots=True)
class Transaction:
    """One method of one resource."""

    id: str
    """The transaction's name (PS3.18 Table 10.1-1 and others)."""
    gives: tuple[str, ...]
    """Media types of its answer."""
    parameters: tuple[str, ...] = ()
    """Query parameters."""
    takes: tuple[str, ...] = ()
    """Media types of its body."""
    statuses: str = "200"
    """Statuses of success, a space between two."""


def _related(media: str) -> str:
    return f'multipart/related; type="{media}"'


_JSON: Final = (JSON, "application/json")
_DATASETS: Final = (*_JSON, _related(XML))
_SEARCH: Final = (
    *("{attribute}", "includefield", "limit", "offset", "fuzzymatching"),
    *("emptyvaluematching", "multiplevaluematching", "accept", "charset"),
)
_ACCEPT: Final = ("accept", "charset")
_OBJECTS: Final = (_related(DICOM), f'{_related(DICOM)}; transfer-syntax="*"')
_IMAGES: Final = ("image/jpeg", "image/png")
_PICTURES: Final = (*_IMAGES, *map(_related, _IMAGES))
_SHOWN: Final = (*_PICTURES, "text/html", "text/plain", "application/pdf", "video/mp4")
_RENDERING: Final = ("accept", "annotation", "quality", "viewport", "window", "iccprofile")
_SMALL: Final = ("accept", "viewport")
_PIXELS: Final = (_related(OCTETS), "image/jpeg", "image/jls", "image/jp2", "image/jphc")
_BULK: Final = (_related(OCTETS),)
_STUDY: Final = "/studies/{study}"
_SERIES: Final = _STUDY + "/series/{series}"
_INSTANCE: Final = _SERIES + "/instances/{instance}"
_STORE: Final = Transaction(
    "StoreInstances",
    _JSON,
    takes=(_related(DICOM), DICOM, _related(JSON)),
    statuses="200 202",
)
_COMMITMENT: Final = "/commitment-requests/{transaction}"

TRANSACTIONS: Final[Mapping[tuple[str, str], Transaction]] = MappingProxyType(
    {
        ("GET", "/studies"): Transaction("SearchForStudies", _DATASETS, _SEARCH),
        ("GET", "/series"): Transaction("SearchForSeries", _DATASETS, _SEARCH),
        ("GET", f"{_STUDY}/series"): Transaction("SearchForStudySeries", _DATASETS, _SEARCH),
        ("GET", "/instances"): Transaction("SearchForInstances", _DATASETS, _SEARCH),
        ("GET", f"{_STUDY}/instances"): Transaction("SearchForStudyInstances", _DATASETS, _SEARCH),
        ("GET", f"{_SERIES}/instances"): Transaction(
            "SearchForStudySeriesInstances", _DATASETS, _SEARCH
        ),
        ("GET", _STUDY): Transaction("RetrieveStudy", _OBJECTS, _ACCEPT),
        ("GET", _SERIES): Transaction("RetrieveSeries", _OBJECTS, _ACCEPT),
        ("GET", _INSTANCE): Transaction("RetrieveInstance", (*_OBJECTS, DICOM), _ACCEPT),
        ("GET", f"{_STUDY}/metadata"): Transaction("RetrieveStudyMetadata", _DATASETS, _ACCEPT),
        ("GET", f"{_SERIES}/metadata"): Transaction("RetrieveSeriesMetadata", _DATASETS, _ACCEPT),
        ("GET", f"{_INSTANCE}/metadata"): Transaction(
            "RetrieveInstanceMetadata", _DATASETS, _ACCEPT
        ),
        ("GET", f"{_INSTANCE}/frames/{{frames}}"): Transaction("RetrieveFrames", _PIXELS, _ACCEPT),
        ("GET", f"{_INSTANCE}/bulkdata/{{path:.+}}"): Transaction(
            "RetrieveBulkdata", (*_BULK, OCTETS), _ACCEPT
        ),
        ("GET", f"{_STUDY}/bulkdata"): Transaction("RetrieveStudyBulkdata", _BULK, _ACCEPT),
        ("GET", f"{_SERIES}/bulkdata"): Transaction("RetrieveSeriesBulkdata", _BULK, _ACCEPT),
        ("GET", f"{_INSTANCE}/bulkdata"): Transaction("RetrieveInstanceBulkdata", _BULK, _ACCEPT),
        ("GET", f"{_STUDY}/pixeldata"): Transaction("RetrieveStudyPixelData", _BULK, _ACCEPT),
        ("GET", f"{_SERIES}/pixeldata"): Transaction("RetrieveSeriesPixelData", _BULK, _ACCEPT),
        ("GET", f"{_INSTANCE}/pixeldata"): Transaction("RetrieveInstancePixelData", _BULK, _ACCEPT),
        ("GET", f"{_STUDY}/rendered"): Transaction("RetrieveRenderedStudy", _PICTURES, _RENDERING),
        ("GET", f"{_SERIES}/rendered"): Transaction(
            "RetrieveRenderedSeries", _PICTURES, _RENDERING
        ),
        ("GET", f"{_INSTANCE}/rendered"): Transaction(
            "RetrieveRenderedInstance", _SHOWN, _RENDERING
        ),
        ("GET", f"{_INSTANCE}/frames/{{frames}}/rendered"): Transaction(
            "RetrieveRenderedFrames", _PICTURES, _RENDERING
        ),
        ("GET", f"{_STUDY}/thumbnail"): Transaction("RetrieveStudyThumbnail", _IMAGES[:1], _SMALL),
        ("GET", f"{_SERIES}/thumbnail"): Transaction(
            "RetrieveSeriesThumbnail", _IMAGES[:1], _SMALL
        ),
        ("GET", f"{_INSTANCE}/thumbnail"): Transaction(
            "RetrieveInstanceThumbnail", _IMAGES[:1], _SMALL
        ),
        ("GET", f"{_INSTANCE}/frames/{{frames}}/thumbnail"): Transaction(
            "RetrieveFrameThumbnail", _IMAGES[:1], _SMALL
        ),
        ("POST", "/studies"): _STORE,
        ("POST", _STUDY): _STORE,
        ("POST", _COMMITMENT): Transaction(
            "RequestCommitment", _JSON, takes=_JSON, statuses="200 202"
        ),
        ("GET", _COMMITMENT): Transaction("CheckCommitmentResult", _JSON, statuses="200 202"),
    }
)
"""By method and path below the service's root."""
