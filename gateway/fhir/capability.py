"""The CapabilityStatement of this door, made from what the rooms say of their resources."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from gateway.fhir.answers import FHIR_VERSION
from gateway.fhir.outcome import MEDIA_TYPE
from kernel.fhir.resource import Interaction, ResourceDefinition, SearchParameter

Json = dict[str, Any]
SYSTEM_INTERACTIONS: Final = ("transaction", "batch")


def capability(
    definitions: Sequence[ResourceDefinition], *, url: str, version: str, since: dt.datetime
) -> Json:
    """Return what this door can do (FHIR R4 CapabilityStatement).

    Args:
        definitions: of the resources, by type.
        url: of the door.
        version: of the program.
        since: when it began to be so.
    """
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": since.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "Yilian", "version": version},
        "implementation": {"description": "County medical community", "url": url},
        "fhirVersion": FHIR_VERSION,
        "format": [MEDIA_TYPE, "json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "cors": False,
                    "description": "Authorization: Bearer, a token of an account of this node",
                },
                "resource": [_resource(each) for each in definitions],
                "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
            }
        ],
    }


def _resource(definition: ResourceDefinition) -> Json:
    can = definition.roles
    said: Json = {
        "type": definition.type,
        "documentation": definition.documentation,
        "interaction": [{"code": each.value} for each in Interaction if each in can],
        "versioning": "versioned-update" if Interaction.UPDATE in can else "versioned",
        "readHistory": Interaction.VREAD in can,
        "updateCreate": False,
        "conditionalCreate": Interaction.CREATE in can,
        "conditionalRead": "not-match",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "referencePolicy": ["literal", "logical"],
        "searchParam": [_parameter(each) for each in definition.parameters],
    }
    if definition.includes:
        said["searchInclude"] = sorted(f"{definition.type}:{name}" for name in definition.includes)
    return said


def _parameter(parameter: SearchParameter) -> Json:
    told = parameter.documentation
    if parameter.modifiers:
        told += f" Modifiers: {', '.join(sorted(parameter.modifiers))}."
    if parameter.chains:
        chains = ", ".join(f"{parameter.name}.{each}" for each in sorted(parameter.chains))
        told += f" Chained: {chains}."
    return {"name": parameter.name, "type": parameter.type.value, "documentation": told}
