"""Look-ups in the public data dictionary of PS3.6: tag, VR and keyword."""

from typing import Final

from kernel.dicom.dictionary_entries import ENTRIES

AMBIGUOUS: Final = {"xs": "US", "ox": "OW", "uw": "OW", "xw": "OW"}
"""The VR to take in implicit VR where PS3.6 leaves it open and nothing else decides (PS3.5 A.1)."""

_CREATORS: Final = range(0x0010, 0x0100)
_VRS: Final[dict[int, str]] = {}
_KEYWORDS: Final[dict[int, str]] = {}
_TAGS: Final[dict[str, int]] = {}
_REPEATING: Final[list[tuple[int, int, str, str]]] = []


def _load() -> None:
    for entry in ENTRIES.split():
        digits, vr, keyword = entry[:8], entry[8:10], entry[10:]
        if "x" in digits:
            mask = int("".join("0" if digit == "x" else "F" for digit in digits), 16)
            _REPEATING.append((mask, int(digits.replace("x", "0"), 16), vr, keyword))
            _TAGS.setdefault(keyword, int(digits.replace("x", "0"), 16))
            continue
        tag = int(digits, 16)
        _VRS[tag] = vr
        if keyword:
            _KEYWORDS[tag] = keyword
            _TAGS[keyword] = tag


_load()

US_OR_SS: Final = frozenset(tag for tag, vr in _VRS.items() if vr == "xs")
"""Elements that are SS where Pixel Representation is 1, else US (PS3.5 A.1)."""


def _repeating(tag: int) -> tuple[str, str] | None:
    for mask, value, vr, keyword in _REPEATING:
        # Groups 50xx, 60xx and 7Fxx repeat in even numbers only; the odd ones are private.
        if tag & mask == value and not tag & 0x0001_0000:
            return vr, keyword
    return None


def public_vr(tag: int) -> str | None:
    """Return the dictionary's letters for *tag* (see ``AMBIGUOUS``), None where it has no entry.

    No private element has one.
    """
    vr = _VRS.get(tag)
    if vr is not None:
        return vr
    found = _repeating(tag)
    return found[0] if found else None


def implied_vr(tag: int) -> str:
    """Return the VR *tag* has where the encoding does not say it (implicit VR, PS3.5 6.2.2).

    Group lengths are UL, private creators LO, anything unknown UN.
    """
    vr = _VRS.get(tag)
    if vr is None:
        if tag & 0xFFFF == 0:
            return "UL"
        if tag & 0x0001_0000:
            return "LO" if tag & 0xFFFF in _CREATORS else "UN"
        found = _repeating(tag)
        if found is None:
            return "UN"
        vr = found[0]
    return AMBIGUOUS.get(vr, vr)


def keyword_of(tag: int) -> str:
    """Return the keyword of *tag*, empty where it has none."""
    keyword = _KEYWORDS.get(tag)
    if keyword is not None:
        return keyword
    found = _repeating(tag)
    return found[1] if found else ""


def tag_of(keyword: str) -> int | None:
    """Return the tag of *keyword* (the first of a repeating group), None where there is none."""
    return _TAGS.get(keyword)


def keywords() -> frozenset[str]:
    """Return every keyword that names one element."""
    return frozenset(_KEYWORDS.values())


def vr_table() -> dict[int, str]:
    """Return a copy of tag to VR without repeating groups, open VRs settled as in implicit VR."""
    return {tag: AMBIGUOUS.get(vr, vr) for tag, vr in _VRS.items()}
