"""DICOMweb resources: the UIDs in an address, as values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from kernel.errors import Invalid
from kernel.identifiers import Uid

ROOT: Final = "/dicom-web"
STUDY: Final = ROOT + "/studies/{study}"
SERIES: Final = STUDY + "/series/{series}"
INSTANCE: Final = SERIES + "/instances/{instance}"

FRAMES_AT_ONCE: Final = 1000
_FRAMES: Final = re.compile(r"[0-9]{1,9}(?:,[0-9]{1,9})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Resource:
    """A study, a series of it, or an instance of that."""

    study: Uid
    series: Uid | None = None
    instance: Uid | None = None

    @classmethod
    def parse(cls, matched: Mapping[str, str]) -> Self:
        """Return the resource whose UIDs the address named.

        Raises:
            InvalidIdentifier: one of them is no UID (``invalid-uid``).
        """
        series, instance = matched.get("series"), matched.get("instance")
        return cls(
            Uid.parse(matched["study"]),
            None if series is None else Uid.parse(series),
            None if instance is None else Uid.parse(instance),
        )

    @property
    def path(self) -> str:
        """The address, from the root of the server."""
        return address(
            self.study.value,
            self.series.value if self.series else "",
            self.instance.value if self.instance else "",
        )


def address(study: str, series: str = "", instance: str = "") -> str:
    """Return the address of a study, a series or an instance, from the root of the server."""
    path = f"{ROOT}/studies/{study}"
    if series:
        path += f"/series/{series}"
    if instance:
        path += f"/instances/{instance}"
    return path


def parse_frames(text: str) -> tuple[int, ...]:
    """Return the frame numbers (from 1) in a comma list, in its order.

    Raises:
        Invalid: no list of positive numbers, or over ``FRAMES_AT_ONCE`` (``invalid-frames``).
    """
    numbers = tuple(map(int, text.split(","))) if _FRAMES.fullmatch(text) else ()
    if not numbers or min(numbers) < 1 or len(numbers) > FRAMES_AT_ONCE:
        raise Invalid("frames are a list such as 1,2,3", code="invalid-frames")
    return numbers
