"""Which uploads a door knows: the unfinished within bounds, the ended as long as there is room."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from gateway.uploads.tus_headers import TusFault
from gateway.uploads.upload_files import Owner, Upload


@dataclass(frozen=True, slots=True)
class RollLimits:
    """How many uploads a door knows at a time."""

    open_max: int = 20_000
    """Unfinished: bytes are to come, or the sink has not ended."""
    open_of_institution: int = 5_000
    """Of these, of one institution: it cannot shut the others out."""
    open_of_account: int = 2_000
    """Of these, of one account."""
    ended_max: int = 20_000
    """Ended ones that are remembered."""


class Roll:
    """The uploads of one door by their ids."""

    def __init__(self, limits: RollLimits) -> None:
        self._limits = limits
        self._open: dict[str, Upload] = {}
        self._ended: dict[str, dict[str, Upload]] = {}
        """By institution, in the order they ended."""

    def __iter__(self) -> Iterator[Upload]:
        """Yield each upload; they may come and go meanwhile."""
        self._settle()
        ended = [upload for some in self._ended.values() for upload in some.values()]
        return iter([*self._open.values(), *ended])

    def of_institution(self, institution: str) -> list[Upload]:
        """Return the uploads that somebody of *institution* created, oldest first."""
        self._settle()
        known = [one for one in self._open.values() if one.info.owner.institution == institution]
        known.extend(self._ended.get(institution, {}).values())
        # An id tells when it was made.
        return sorted(known, key=lambda upload: upload.info.upload_id)

    def get(self, upload_id: str) -> Upload | None:
        """Return the upload of that id; None where it is unknown."""
        found = self._open.get(upload_id)
        if found is not None:
            return found
        return next((some[upload_id] for some in self._ended.values() if upload_id in some), None)

    def add(self, uploads: Iterable[Upload]) -> None:
        """Know *uploads*, also beyond the bounds: they exist."""
        self._open.update((upload.info.upload_id, upload) for upload in uploads)

    def drop(self, upload: Upload) -> None:
        """Know *upload* no more."""
        upload_id, institution = upload.info.upload_id, upload.info.owner.institution
        self._open.pop(upload_id, None)
        ended = self._ended.get(institution, {})
        ended.pop(upload_id, None)
        if not ended:
            self._ended.pop(institution, None)

    def check_room(self, owner: Owner) -> None:
        """Refuse what would be one unfinished upload too many, of *owner* or of all.

        Raises:
            TusFault: 429 ``too-many-uploads``; those that ended never count.
        """
        self._settle()
        owners = [upload.info.owner for upload in self._open.values()]
        of_institution = [one for one in owners if one.institution == owner.institution]
        of_account = sum(one.same_as(owner) for one in of_institution)
        limits = self._limits
        if (
            len(owners) >= limits.open_max
            or len(of_institution) >= limits.open_of_institution
            or of_account >= limits.open_of_account
        ):
            raise TusFault(429, "too-many-uploads", "too many uploads are unfinished")

    def surplus(self) -> list[Upload]:
        """Return the ended uploads there is no room for.

        The oldest of the institution that has most: nobody's are forgotten for another's many.
        """
        self._settle()
        many = {house: len(ended) for house, ended in self._ended.items()}
        goes = dict.fromkeys(many, 0)
        for _ in range(sum(many.values()) - self._limits.ended_max):
            most = max(many, key=lambda house: many[house])
            many[most] -= 1
            goes[most] += 1
        return [
            upload
            for house, count in goes.items()
            for upload in islice(self._ended[house].values(), count)
        ]

    def _settle(self) -> None:
        """Move those that ended since."""
        ended = [
            (upload.result.at, upload_id)
            for upload_id, upload in self._open.items()
            if upload.result is not None
        ]
        for _, upload_id in sorted(ended):
            upload = self._open.pop(upload_id)
            self._ended.setdefault(upload.info.owner.institution, {})[upload_id] = upload
