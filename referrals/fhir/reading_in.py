"""Elements of a resource that came, each with where it stands; nothing unknown passes unseen."""

from collections.abc import Iterator, Mapping, Sequence, Set as AbstractSet
from contextlib import contextmanager
from typing import Any, Final

from kernel.errors import Missing, PlatformError
from kernel.fhir.datatypes import DATA_ABSENT, MASKED
from kernel.fhir.resource import InvalidResource

Json = Mapping[str, Any]
_EVERYWHERE: Final = frozenset(
    {"resourceType", "id", "meta", "language", "text", "contained", "extension"}
)
_NOT_UNDERSTOOD: Final = ("modifierExtension", "implicitRules")


def check_elements(resource: Json, type_: str, elements: AbstractSet[str]) -> None:
    """Raise ``InvalidResource`` for an element R4 does not have, or one that changes the meaning.

    Args:
        resource: as it came.
        type_: its type.
        elements: of that type, besides those every resource has.
    """
    for name in _NOT_UNDERSTOOD:
        if name in resource:
            raise InvalidResource(
                f"{name} changes what the rest means", f"{type_}.{name}", code="not-understood"
            )
    for name in resource:
        if name.removeprefix("_") not in elements | _EVERYWHERE:
            raise InvalidResource(
                "no such element in R4", f"{type_}.{name[:64]}", code="unknown-element"
            )


def text(of: Json, name: str, place: str) -> str:
    """Return an element that is a text, empty where there is none."""
    value = of.get(name, "")
    if not isinstance(value, str):
        raise InvalidResource("a text", f"{place}.{name}")
    return value


def items(of: Json, name: str, place: str) -> list[tuple[Json, str]]:
    """Return the objects in a list, each with its place."""
    found = of.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InvalidResource("a list of objects", f"{place}.{name}")
    return [(each, f"{place}.{name}[{at}]") for at, each in enumerate(found)]


def inner(of: Json, name: str, place: str) -> Json:
    """Return an element that is an object, empty where there is none."""
    found = of.get(name, {})
    if not isinstance(found, dict):
        raise InvalidResource("an object", f"{place}.{name}")
    return found


def is_masked(element: Json, place: str) -> bool:
    """Tell whether an element comes back without its value, as it was shown."""
    beside = inner(element, "_value", place)
    return any(
        each.get("url") == DATA_ABSENT and each.get("valueCode") == MASKED
        for each, _ in items(beside, "extension", place)
    )


def local_id(reference: str, type_: str, place: str) -> str:
    """Return the id in a reference to a *type_*; raises ``InvalidResource`` for any other."""
    kind, _, key = reference.rpartition("/")
    if kind.rpartition("/")[2] != type_ or not key:
        raise InvalidResource(f"a reference to a {type_}", place, code="no-target")
    return key


@contextmanager
def placing(places: Mapping[str, str], otherwise: str) -> Iterator[None]:
    """Say of a room's error which element it is about.

    Args:
        places: by the error's code.
        otherwise: of any other error.
    """
    try:
        yield
    except Missing as error:
        if error.code not in places:
            raise
        # The resource at the address is there; what its content names is not.
        raise InvalidResource(error.detail, places[error.code], code=error.code) from error
    except PlatformError as error:
        if "expression" not in error.members:
            place = places.get(error.code, otherwise)
            error.members = {**error.members, "expression": [place]}
        raise


def codings(concept: Json, place: str) -> Sequence[tuple[str, str]]:
    """Return the codes of a concept as system and code."""
    return [
        (text(each, "system", where), text(each, "code", where))
        for each, where in items(concept, "coding", place)
    ]
