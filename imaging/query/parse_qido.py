"""QIDO-RS query parameters (PS3.18 8.3.4) into a query.

Forgiving as real clients need it: keywords and tags, one comma list or many ``includefield``,
unknown keys put aside and named in a warning, never refused.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from imaging.query.attributes import (
    ATTRIBUTES,
    SERIES_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    Kind,
    Level,
    find_attribute,
    parse_path,
)
from imaging.query.keys import key_of
from imaging.query.matching import Everything, parse_match
from imaging.query.model import Key, Query
from kernel.errors import Invalid

LIMITS: Final = {Level.STUDY: 1000, Level.SERIES: 2000, Level.INSTANCE: 10_000}
"""Most rows of one answer."""
_KEYS_MAX: Final = 64
_INCLUDE_MAX: Final = 256
_OFFSET_MAX: Final = 2**31
_NAME_SHOWN: Final = 64
_NO_KEYS: Final = frozenset(
    {"limit", "offset", "fuzzymatching", "includefield", "accept", "charset"}
    | {"emptyvaluematching", "multiplevaluematching"}
)


class InvalidQuery(Invalid):
    """A parameter of the query resource itself is broken; unknown attributes never are."""

    code = "invalid-query"


def parse_qido(
    level: Level,
    params: Iterable[tuple[str, str]],
    *,
    study_instance_uid: str = "",
    series_instance_uid: str = "",
) -> Query:
    """Return the query of *params*, names and values already percent-decoded.

    Args:
        level: what kind of entity is asked for.
        params: all query parameters in their order.
        study_instance_uid: from the path, empty where it names no study.
        series_instance_uid: from the path, empty where it names no series.

    Raises:
        InvalidQuery: ``limit``, ``offset`` or one of the ``…matching`` parameters is no value of
            its kind, or there are too many parameters.
    """
    pairs = list(params)
    asked = [(name, value) for name, value in pairs if name.lower() not in _NO_KEYS]
    if len(asked) > _KEYS_MAX:
        raise InvalidQuery(f"at most {_KEYS_MAX} keys")
    fuzzy = _truth(pairs, "fuzzymatching")
    empty = _truth(pairs, "emptyvaluematching")
    several = _truth(pairs, "multiplevaluematching")
    limit = _number(_last(pairs, "limit"), "limit")
    include, include_all, ignored = _include(
        [value for name, value in pairs if name.lower() == "includefield"]
    )
    keys = _path_keys(study_instance_uid, series_instance_uid)
    for name, value in asked:
        path = parse_path(name)
        attribute = find_attribute(path) if path is not None else None
        if attribute is None or path is None:
            ignored.append(name[:_NAME_SHOWN])
            continue
        include.append(path)
        key = key_of(attribute, value, fuzzy=fuzzy, empty=empty, several=several)
        if not isinstance(key.match, Everything):
            keys.append(key)
    most = LIMITS[level]
    return Query(
        level=level,
        keys=tuple(keys),
        include=tuple(dict.fromkeys(include)),
        include_all=include_all,
        limit=most if limit is None else max(1, min(limit, most)),
        limited_by_us=limit is None or limit > most,
        offset=_number(_last(pairs, "offset"), "offset") or 0,
        ignored=tuple(dict.fromkeys(ignored)),
    )


def _path_keys(study_instance_uid: str, series_instance_uid: str) -> list[Key]:
    keys = []
    for tag, uid in (
        (STUDY_INSTANCE_UID, study_instance_uid),
        (SERIES_INSTANCE_UID, series_instance_uid),
    ):
        if uid:
            keys.append(Key(ATTRIBUTES[tag], parse_match(uid, Kind.UID)))
    return keys


def _include(values: Sequence[str]) -> tuple[list[tuple[int, ...]], bool, list[str]]:
    paths: list[tuple[int, ...]] = []
    ignored: list[str] = []
    everything = False
    names = [name.strip() for value in values for name in value.split(",", _INCLUDE_MAX)]
    if len(names) > _INCLUDE_MAX:
        raise InvalidQuery(f"at most {_INCLUDE_MAX} included fields")
    for name in filter(None, names):
        if name.lower() == "all":
            everything = True
        elif (path := parse_path(name)) is not None:
            paths.append(path)
        else:
            ignored.append(name[:_NAME_SHOWN])
    return paths, everything, ignored


def _last(pairs: Sequence[tuple[str, str]], name: str) -> str:
    return next((value for key, value in reversed(pairs) if key.lower() == name), "").strip()


def _number(text: str, name: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_OFFSET_MAX)):
        raise InvalidQuery(f"{name} is not a number of rows")
    return min(int(text), _OFFSET_MAX)


def _truth(pairs: Sequence[tuple[str, str]], name: str) -> bool:
    text = _last(pairs, name).lower()
    if text in {"", "false"}:
        return False
    if text == "true":
        return True
    raise InvalidQuery(f"{name} is true or false")
