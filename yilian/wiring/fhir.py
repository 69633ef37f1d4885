"""The FHIR door of the county, bound to the rooms whose resources it shows."""

from typing import Final

from gateway.accounts.fhir_houses import locations, organizations
from gateway.accounts.fhir_people import practitioner_roles, practitioners
from gateway.fhir.interactions import ROOT
from gateway.fhir.outcome import error_form
from gateway.fhir.ports import ResourceProvider
from gateway.fhir.routes import FhirDoor
from gateway.http.fhir_trail import TrailRoom
from imaging.fhir.study import StudyRoom
from kernel.clock import Clock
from kernel.sql.db import Database
from referrals.fhir.known import RegisteredNumbers
from referrals.fhir.order import OrderRoom
from referrals.fhir.patient import PatientRoom
from referrals.orders.acts import Acts
from referrals.orders.gate import UncheckedGate
from referrals.orders.ledger import Ledger
from yilian.cli import program_version

ERRORS: Final = {ROOT: error_form}
"""How this door answers trouble (``gateway.http.errors.ERROR_FORMS``)."""


def providers(acts: Acts) -> list[ResourceProvider]:
    """Return the resources of every room."""
    return [
        PatientRoom(acts),
        OrderRoom(acts),
        StudyRoom(RegisteredNumbers()),
        organizations(),
        locations(),
        practitioners(),
        practitioner_roles(),
        TrailRoom(),
    ]


def fhir_door(database: Database, clock: Clock, ledger: Ledger) -> FhirDoor:
    """Return the door; what comes through it is written with *ledger*."""
    acts = Acts(ledger, UncheckedGate(), clock)
    return FhirDoor(providers(acts), database, clock, version=program_version())
