"""Which function runs which role. Each role loads its own rooms only: a process starts faster."""

from kernel.process.child import Inherited
from kernel.settings import NodeKind, Settings
from yilian.loading import loading
from yilian.wiring.context import Context, entered
from yilian.wiring.homes import Home


async def run(
    kind: NodeKind, role: str, home: Home, settings: Settings, inherited: Inherited
) -> int:
    """Run one role of a node until SIGTERM; returns its exit code."""
    async with entered(kind, role, home, settings, inherited) as context:
        await _run(context)
    return 0


async def _run(context: Context) -> None:
    match context.kind, context.role:
        case _, "dicom":
            with loading():
                from yilian.wiring.dicom_role import run_dicom  # noqa: PLC0415
            await run_dicom(context)
        case NodeKind.COUNTY, "worker":
            with loading():
                from yilian.wiring.county_worker import run_worker  # noqa: PLC0415
            await run_worker(context)
        case NodeKind.COUNTY, "gateway":
            with loading():
                from yilian.wiring import county_gateway  # noqa: PLC0415
            await county_gateway.run_gateway(context)
        case NodeKind.TOWNSHIP, "gateway":
            with loading():
                from yilian.wiring import township_gateway  # noqa: PLC0415
            await township_gateway.run_gateway(context)
        case kind, role:
            msg = f"a {kind} has no role {role}"
            raise ValueError(msg)
