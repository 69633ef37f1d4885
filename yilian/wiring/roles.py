"""Which function runs which role."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.dimse.settings import AcceptorSettings
from kernel.child import Inherited
from kernel.identifiers import AETitle, InstitutionCode
from kernel.settings import NodeKind, Settings
from yilian.wiring.context import Context, entered, tls_context
from yilian.wiring.county_gateway import run_gateway as county_gateway
from yilian.wiring.county_worker import run_worker
from yilian.wiring.dicom_role import run_dicom
from yilian.wiring.homes import Home
from yilian.wiring.township_gateway import run_gateway as township_gateway


async def run(
    kind: NodeKind, role: str, home: Home, settings: Settings, inherited: Inherited
) -> int:
    """Run one role of a node until SIGTERM; returns its exit code."""
    async with entered(kind, role, home, settings, inherited) as context:
        await _ROLES[kind, role](context)
    return 0


async def _dicom(context: Context) -> None:
    settings = context.settings
    institution = InstitutionCode.parse(context.institution)
    await run_dicom(
        context.inherited,
        context.stop,
        database=context.database,
        journal_folder=context.home.journal("dicom"),
        reserve_bytes=settings.journal.reserve_bytes,
        filer_socket=context.filer_socket,
        ae_title=AETitle.parse(settings.dicom.ae_title),
        settings=AcceptorSettings(
            max_object_bytes=settings.dicom.max_object_bytes,
            max_associations=settings.dicom.max_associations,
            associations_per_address=settings.dicom.associations_per_address,
            tls=tls_context(settings),
        ),
        loopback=institution if settings.dicom.admit_loopback else None,
        clock=context.clock,
    )


_ROLES: Final[Mapping[tuple[NodeKind, str], Callable[[Context], Awaitable[None]]]] = {
    (NodeKind.COUNTY, "gateway"): county_gateway,
    (NodeKind.COUNTY, "worker"): run_worker,
    (NodeKind.COUNTY, "dicom"): _dicom,
    (NodeKind.TOWNSHIP, "gateway"): township_gateway,
    (NodeKind.TOWNSHIP, "dicom"): _dicom,
}
