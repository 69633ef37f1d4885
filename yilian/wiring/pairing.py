"""What a township learned when it was enrolled, kept in its home beside its key."""

from typing import Final

import msgspec

from gateway.exchange.model import Enrolled
from kernel.errors import Invalid
from kernel.settings import Settings
from yilian.wiring.homes import Home, write_secret

_FILE: Final = "enrolment.json"


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """Which county this node belongs to, and as whom."""

    county_url: str
    county_ca_file: str = ""
    enrolled: Enrolled


def pairing_of(home: Home) -> Pairing | None:
    """Return what was learned when the node at *home* was enrolled; None where it never was."""
    path = home.secret(_FILE)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Pairing)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as exc:
        raise Invalid(f"{path} is damaged: enrol again", code="enrolment-damaged") from exc


def paired_settings(home: Home, settings: Settings) -> Settings:
    """Return *settings* with what enrolment tells, where the operator has written nothing else."""
    pairing = pairing_of(home)
    if pairing is None:
        return settings
    told = pairing.enrolled
    node, township = settings.node, settings.township
    return msgspec.structs.replace(
        settings,
        node=msgspec.structs.replace(
            node,
            institution=node.institution or told.institution,
            name=node.name or told.institution_name,
        ),
        township=msgspec.structs.replace(
            township,
            county_url=township.county_url or pairing.county_url,
            county_ca_file=township.county_ca_file or pairing.county_ca_file,
            county_public_key=township.county_public_key or told.county_public_key,
            county_name=township.county_name or told.county_name,
            county_phone=township.county_phone or told.county_phone,
        ),
    )


def pair(home: Home, pairing: Pairing) -> None:
    """Keep what the node at *home* was told; on disk when it returns."""
    write_secret(home.secret(_FILE), msgspec.json.encode(pairing))
