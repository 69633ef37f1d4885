"""What it means that the county answers and lets this node not in, and what to do. Pure."""

from types import MappingProxyType
from typing import Final

_ACCEPTED: Final = (
    "at the county `yilian admin token add` for a machine account of this institution with the "
    "role technician; put it into the file of township.token_file and start the node again"
)
_TOKEN: Final = ("the county does not accept this node's token", _ACCEPTED)
_ENROL: Final = (
    "ask the county for a code (its page of machines, or `yilian admin township invite`), "
    "`yilian township enrol CODE --county URL` here, start the node again"
)
_INSTITUTION: Final = (
    "this node speaks for another institution than the county knows it for",
    "take node.institution out of yilian.toml, or enrol again with a code for this institution",
)
_NO_ROLE: Final = (
    "the county's account of this node may not hand images in",
    "at the county give the account the role technician and this institution",
)
_REFUSALS: Final = MappingProxyType(
    {
        "bad-token": _TOKEN,
        "not-signed-in": _TOKEN,
        "http-401": _TOKEN,
        "node-revoked": ("the county has let this node go", _ENROL),
        "node-proof-refused": ("the county does not know this node or its key", _ENROL),
        "node-unknown": ("the county does not know this node or its key", _ENROL),
        "parcel-institution": _INSTITUTION,
        "other-institution": _INSTITUTION,
        "not-allowed": _NO_ROLE,
        "http-403": _NO_ROLE,
        "receipt-untrusted": (
            "the county signs receipts with another key than the one trusted here",
            "write what `yilian admin key` prints at the county into township.county_public_key",
        ),
    }
)


def explained(code: str) -> tuple[str, str] | None:
    """Return what the refusal *code* means and what to do; None for what passes by itself."""
    return _REFUSALS.get(code)
