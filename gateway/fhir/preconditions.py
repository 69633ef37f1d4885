"""What a change says of the version it was made from."""

import re
from typing import Final

from kernel.errors import Invalid, Unversioned

_TAG: Final = re.compile(r'(?:W/)?"([\x21\x23-\x7e]{1,128})"', re.ASCII)


def read_if_match(raw: str) -> str:
    """Return the version in an If-Match, weak as FHIR's are.

    Raises:
        Unversioned: there is none.
        Invalid: it is a list, or ``*`` (``invalid-if-match``).
    """
    if not raw.strip():
        raise Unversioned("send the ETag of what was seen as If-Match")
    found = _TAG.fullmatch(raw.strip())
    if found is None:
        raise Invalid("If-Match is one ETag", code="invalid-if-match")
    return found[1]
