"""What a C-FIND identifier asks for: which entries, and what of them (PS3.4 C.2.2.2, K.2.2.1)."""

from collections.abc import Iterator, Mapping, Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from gateway.dimse.attributes import (
    SPECIFIC_CHARACTER_SET,
    Attributes,
    Message,
    Value,
    items_of,
    text_of,
)
from gateway.dimse.matching import (
    BadKey,
    Range,
    date_range,
    is_universal,
    matches,
    moment,
    moment_range,
)
from kernel.dicom.dictionary import implied_vr, tag_of

_MOMENTS: Final[Mapping[str, str]] = {
    "ScheduledProcedureStepStartDate": "ScheduledProcedureStepStartTime"
}
"""Dates that mean one moment together with a time, where both keys are ranges."""


@dataclass(frozen=True, slots=True)
class Query:
    """An identifier whose keys are all in order.

    Attributes:
        keys: as asked, sequences with at most one item each.
        charsets: what the asker writes and reads.
        matched: paths of the keys that are matched, such as ``PatientID`` and
            ``ScheduledProcedureStepSequence.Modality``; others only say what to return.
    """

    keys: Attributes
    charsets: tuple[str, ...]
    matched: AbstractSet[str]

    @classmethod
    def parse(cls, message: Message, matched: AbstractSet[str]) -> "Query":
        """Return what *message* asks for.

        Raises:
            BadKey: a sequence of several items, or a key that is no value or range of its VR.
        """
        _check(message.attributes, matched, "")
        return cls(message.attributes, message.charsets, matched)

    @property
    def has_unmatched_keys(self) -> bool:
        """Whether a key with a value is not matched here (pending status FF01H)."""
        return any(_unmatched(self.keys, self.matched, ""))

    def value(self, path: str) -> str:
        """Return the key at *path* (``Sequence.Keyword`` or ``Keyword``), empty if universal."""
        *sequence, keyword = path.split(".")
        keys = self.keys
        for name in sequence:
            keys = next(iter(items_of(keys, name)), {})
        key = text_of(keys, keyword)
        return "" if is_universal(key) else key

    def values(self, path: str) -> tuple[str, ...]:
        """Return the values one of which must equal the attribute at *path*.

        Empty where anything else may match too: no key, or one with a wildcard.
        """
        key = self.value(path)
        if not key or "*" in key or "?" in key:
            return ()
        return tuple(part.strip() for part in key.split("\\"))

    def dates(self, path: str) -> Range | None:
        """Return the days the key at *path* allows, None for all."""
        key = self.value(path)
        return date_range(key) if key else None

    def wants(self, entry: Attributes) -> bool:
        """Whether *entry* matches every key."""
        return self._wants(self.keys, entry, "")

    def answer(self, entry: Attributes) -> Attributes:
        """Return of *entry*, which matches, what is asked for; what it has not, empty."""
        return self._answer(self.keys, entry, "")

    def _wants(self, keys: Attributes, entry: Attributes, prefix: str) -> bool:
        together = dict(_moments(keys)) if prefix else {}
        for keyword, interval in together.items():
            time = text_of(entry, _MOMENTS[keyword])
            if not interval.holds(moment(text_of(entry, keyword), time)):
                return False
        passed = {*together, *(_MOMENTS[keyword] for keyword in together)}
        return all(
            self._matches(key, entry, keyword, prefix + keyword)
            for keyword, key in keys.items()
            if keyword not in passed
        )

    def _matches(self, key: Value, entry: Attributes, keyword: str, path: str) -> bool:
        if isinstance(key, tuple):
            return not key or not key[0] or self._matches_sequence(key[0], entry, keyword, path)
        return path not in self.matched or matches(key, text_of(entry, keyword), _vr(keyword))

    def _matches_sequence(
        self, keys: Attributes, entry: Attributes, keyword: str, path: str
    ) -> bool:
        # An entry without items is as one whose item is empty: universal keys match it.
        items = items_of(entry, keyword) or ({},)
        return any(self._wants(keys, item, path + ".") for item in items)

    def _answer(self, keys: Attributes, entry: Attributes, prefix: str) -> Attributes:
        answer: dict[str, Value] = {}
        for keyword, key in keys.items():
            if keyword == SPECIFIC_CHARACTER_SET or tag_of(keyword) is None:
                continue
            if not isinstance(key, tuple):
                answer[keyword] = entry.get(keyword, "")
                continue
            items = items_of(entry, keyword)
            if key and key[0]:
                path = f"{prefix}{keyword}."
                items = tuple(
                    self._answer(key[0], item, path)
                    for item in items
                    if self._wants(key[0], item, path)
                )
            answer[keyword] = items
        return answer


def _check(keys: Attributes, matched: AbstractSet[str], prefix: str) -> None:
    for keyword, key in keys.items():
        path = prefix + keyword
        if isinstance(key, tuple):
            if len(key) > 1:
                raise BadKey(f"{keyword} has {len(key)} items")
            for item in key:
                _check(item, matched, path + ".")
        elif path in matched:
            matches(key, "", _vr(keyword))
    dict(_moments(keys))


def _moments(keys: Attributes) -> Iterator[tuple[str, Range]]:
    for date, time in _MOMENTS.items():
        interval = moment_range(text_of(keys, date), text_of(keys, time))
        if interval is not None:
            yield date, interval


def _unmatched(keys: Attributes, matched: AbstractSet[str], prefix: str) -> Iterator[bool]:
    for keyword, key in keys.items():
        if isinstance(key, tuple):
            for item in key:
                yield from _unmatched(item, matched, f"{prefix}{keyword}.")
        elif keyword != SPECIFIC_CHARACTER_SET:
            yield prefix + keyword not in matched and not is_universal(key)


def _vr(keyword: str) -> str:
    tag = tag_of(keyword)
    return implied_vr(tag) if tag is not None else "UN"
