"""Who a device at the DICOM door is to policy and audit trail."""

from gateway.dimse.ports import Peer
from kernel.identifiers import AETitle, InstitutionCode
from kernel.identity import Principal, PrincipalKind, Role


def device(peer: Peer) -> Principal:
    """Return who *peer* is to the policy: a machine that may do what technicians of its house may.

    That it may ask at all is said in the table of peers and was looked at by the door.
    """
    return entity(peer.calling_ae, peer.institution)


def entity(title: AETitle, institution: InstitutionCode) -> Principal:
    """Return who the application entity *title* of *institution* is, as ``device`` does."""
    return Principal(
        user_id=f"ae:{title}",
        username=title.value,
        display_name=title.value,
        roles=frozenset({Role.TECHNICIAN}),
        institution=institution.value,
        kind=PrincipalKind.MACHINE,
    )
