"""Every table of the program, so that the one ``MetaData`` is complete before it is used."""

from importlib import import_module
from typing import Final

_ROOMS: Final = (
    "kernel.audit.access_log",
    "kernel.audit.trail",
    "kernel.events",
    "kernel.idempotency",
    "kernel.identity",
    "gateway.accounts.tables",
    "gateway.commitment.tables",
    "gateway.deliveries.tables",
    "gateway.exchange.tables",
    "gateway.hl7.tables",
    "gateway.priors.tables",
    "gateway.procedure_steps.tables",
    "gateway.routing.store",
    "gateway.township.tables",
    "gateway.uploads.batches",
    "imaging.access.tables",
    "imaging.archive.amendment_tables",
    "imaging.archive.integrity_tables",
    "imaging.archive.tables",
    "imaging.patients.tables",
    "referrals.hl7.tables",
    "referrals.orders.tables",
)


def load() -> None:
    """Import every module that declares tables; idempotent."""
    for room in _ROOMS:
        import_module(room)
