"""OperationOutcome: what any trouble looks like at this door."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import msgspec
from aiohttp import web

from kernel.errors import Category, Invalid, PlatformError, Stale, Unsupported
from kernel.fhir.datatypes import CodeableConcept, concept
from kernel.web import STATUS as HTTP_STATUS

MEDIA_TYPE: Final = "application/fhir+json"
_PROBLEMS: Final = "urn:yilian:problem"

STATUS: Final[Mapping[Category, int]] = MappingProxyType(
    # FHIR R4 http.html#concurrency: 400 where If-Match is asked for and missing.
    {**HTTP_STATUS, Category.UNVERSIONED: HTTPStatus.BAD_REQUEST}
)
"""HTTP's word for each kind of trouble at this door."""
ISSUE: Final[Mapping[Category, str]] = MappingProxyType(
    {
        Category.INVALID: "invalid",
        Category.UNAUTHENTICATED: "login",
        Category.FORBIDDEN: "forbidden",
        Category.MISSING: "not-found",
        Category.CONFLICT: "conflict",
        Category.STALE: "conflict",
        Category.UNVERSIONED: "required",
        Category.TOO_LARGE: "too-long",
        Category.UNSUPPORTED: "not-supported",
        Category.BUSY: "throttled",
        Category.FULL: "no-store",
        Category.UNAVAILABLE: "transient",
        Category.BROKEN: "exception",
    }
)
"""FHIR's word for it (R4 IssueType)."""


class NotAcceptable(Unsupported):
    """The answer cannot be had in that form."""

    code = "not-acceptable"


class NotSupported(Unsupported):
    """The resource is there, but not for this interaction."""

    code = "interaction-not-supported"


class MultipleMatches(Stale):
    """A condition that may fit one resource fits several."""

    code = "multiple-matches"


class UnknownParameter(Invalid):
    """The search has a parameter this door does not know, and asks for strict handling."""

    code = "unknown-parameter"


_BY_KIND: Final[Mapping[type[PlatformError], int]] = MappingProxyType(
    {
        NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
        NotSupported: HTTPStatus.METHOD_NOT_ALLOWED,
    }
)


class Issue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong."""

    severity: str
    code: str
    details: CodeableConcept | None = None
    diagnostics: str | None = None
    expression: Sequence[str] = ()


class OperationOutcome(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="resourceType",
    tag="OperationOutcome",
):
    """What went wrong."""

    issue: tuple[Issue, ...]


def status_of(error: PlatformError) -> int:
    """Return the status *error* is answered with."""
    return next(
        (status for kind, status in _BY_KIND.items() if isinstance(error, kind)),
        STATUS[error.category],
    )


def outcome_of(error: PlatformError) -> OperationOutcome:
    """Return *error* as an OperationOutcome; our own faults say nothing of themselves."""
    ours = error.category is Category.BROKEN
    detail = "" if ours else error.detail
    coded = concept(_PROBLEMS, error.code)
    issue = Issue(
        severity="fatal" if ours else "error",
        code=ISSUE[error.category],
        details=CodeableConcept(coding=coded.coding, text=detail or error.code),
        expression=tuple(str(each) for each in error.members.get("expression", ())),
    )
    return OperationOutcome(issue=(issue,))


def warning(code: str, text: str) -> OperationOutcome:
    """Return what is said beside an answer."""
    return OperationOutcome(
        issue=(Issue(severity="warning", code=code, details=CodeableConcept(text=text)),)
    )


def error_form(error: PlatformError, status: int | None = None) -> web.Response:
    """Answer *error* in the language of this door (``gateway.http.errors.ErrorForm``)."""
    headers = {"Cache-Control": "no-store"}
    after_s = getattr(error, "retry_after_s", None)
    if after_s is not None or error.category in {Category.BUSY, Category.UNAVAILABLE}:
        headers["Retry-After"] = str(max(1, round(after_s or 1)))
    return web.Response(
        body=msgspec.json.encode(outcome_of(error)),
        status=status or status_of(error),
        content_type=MEDIA_TYPE,
        charset="utf-8",
        headers=headers,
    )
