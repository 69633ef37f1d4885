"""The orders of one process of a node, without their pages: the DICOM door needs no web server."""

from kernel.settings import NodeKind
from referrals.orders.ledger import Ledger
from referrals.orders.numbers import Numbers
from yilian.wiring.context import Context
from yilian.wiring.orders_letters import posts
from yilian.wiring.spellings import NameSpellings


def node_name(context: Context) -> str:
    """Return what this node writes under: the code of the institution it stands in."""
    return context.institution


def ledger(context: Context) -> Ledger:
    """Return the ledger of one role's process; each has a chain of the trail of its own."""
    county = context.kind is NodeKind.COUNTY
    return Ledger(
        numbers=Numbers(node_name(context), allots=county),
        spellings=NameSpellings(),
        chain=f"{context.role}-orders",
        post=posts(context.kind, context.institution),
        centre=context.institution if county else "",
    )
