"""Which form of an object or a frame a client gets, from what it accepts and what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from imaging.dicomweb.negotiate import DICOM, OCTETS, MediaRange, NotAcceptable
from imaging.pixels.syntaxes import (
    DECODABLE,
    ENCODABLE,
    NATIVE,
    canonical,
    decodable,
    default_syntax,
    media_type,
    satisfies,
)
from imaging.pixels.transcode import can_make
from kernel.arrival import NativeForm
from kernel.dicom.part10 import EXPLICIT_LE, IMPLICIT_LE

AS_STORED: Final = "*"


@dataclass(frozen=True, slots=True)
class Form:
    """How something leaves."""

    content_type: str
    """Of the part, with its ``transfer-syntax``."""
    transfer_syntax_uid: str
    stored: bool
    """Whether it leaves as it lies."""
    multipart: bool
    named: bool = True
    """Whether the client named this transfer syntax; else it takes the stored one as well."""


def object_form(
    ranges: Sequence[MediaRange], stored: str, native: NativeForm | None, *, strict: bool
) -> Form:
    """Return the form of a whole object (PS3.18 8.7.3.2, application/dicom).

    Without a transfer syntax the client gets Explicit VR Little Endian; what cannot be had so (a
    video) comes as it is stored, and says so. One that was compressed here comes back as it was
    under its own syntax.

    Args:
        ranges: what the client accepts, best first.
        stored: transfer syntax of the object as it lies.
        native: what it was before it was compressed here.
        strict: an object that has no form the client named is refused; else, as one of many, it
            comes as it is stored.

    Raises:
        NotAcceptable: the client wants no DICOM object, or (strict) none of the forms there are.
    """
    wants_dicom: MediaRange | None = None
    for wanted in ranges:
        if not wanted.covers(DICOM):
            continue
        wants_dicom = wants_dicom or wanted
        syntax = wanted.transfer_syntax
        if syntax == AS_STORED:
            return _object(stored, wanted, stored=True)
        if not syntax:
            made = EXPLICIT_LE if decodable(stored) else stored
            return replace(_object(made, wanted, stored=made == stored), named=False)
        if can_make(stored, native, syntax):
            return _object(syntax, wanted, stored=satisfies(stored, syntax))
    if wants_dicom is None:
        raise NotAcceptable(f"this resource comes as {DICOM}")
    if strict:
        raise NotAcceptable("the object has no form in that transfer syntax")
    return _object(stored, wants_dicom, stored=True)


def _object(syntax: str, wanted: MediaRange, *, stored: bool) -> Form:
    content_type = f"{DICOM}; transfer-syntax={syntax}"
    return Form(content_type, syntax, stored, wanted.multipart or "*" in wanted.essence)


def frame_form(ranges: Sequence[MediaRange], stored: str, *, frames: int) -> Form:
    """Return the form of frames (PS3.18 8.7.3.3, 10.4.4).

    ``*/*`` and ``transfer-syntax=*`` give frames as they are stored; octets without a transfer
    syntax are Explicit VR Little Endian; an image type gives what is stored of that type, else
    what can be encoded without loss.

    Args:
        ranges: what the client accepts, best first.
        stored: transfer syntax of the frames as they lie; native ones as Explicit VR Little Endian.
        frames: how many are asked for; several leave only as multipart.

    Raises:
        NotAcceptable: there is no such form.
    """
    for wanted in ranges:
        multipart = wanted.multipart or "*" in wanted.essence
        if frames > 1 and not multipart:
            continue
        found = _octets(wanted, stored) if wanted.covers(OCTETS) else _image(wanted, stored)
        if found is not None:
            content_type, syntax = found
            return Form(
                f"{content_type}; transfer-syntax={syntax}",
                syntax,
                satisfies(stored, syntax),
                multipart,
            )
    raise NotAcceptable(f"frames come as {OCTETS} or {media_type(stored)}")


def _octets(wanted: MediaRange, stored: str) -> tuple[str, str] | None:
    syntax = wanted.transfer_syntax
    if syntax == AS_STORED or (not syntax and "*" in wanted.essence):
        return OCTETS, stored
    if not syntax or syntax == IMPLICIT_LE:
        # Frames in either VR form are the same bytes.
        syntax = EXPLICIT_LE
    return (OCTETS, syntax) if _frame_can_be(stored, syntax) else None


def _image(wanted: MediaRange, stored: str) -> tuple[str, str] | None:
    kept = media_type(stored)
    syntax = wanted.transfer_syntax
    if wanted.covers(kept) or canonical(wanted.essence) == canonical(kept):
        if syntax in ("", AS_STORED):
            return kept, stored
    elif syntax in ("", AS_STORED):
        syntax = default_syntax(wanted.essence)
    if not syntax or canonical(wanted.essence) != media_type(syntax):
        return None
    return (media_type(syntax), syntax) if _frame_can_be(stored, syntax) else None


def _frame_can_be(stored: str, syntax: str) -> bool:
    if satisfies(stored, syntax):
        return True
    there = stored in NATIVE or stored in DECODABLE
    return there and (syntax == EXPLICIT_LE or syntax in ENCODABLE)
