"""Fixtures of the room: see tests/orders/two_nodes.py."""

from tests.orders.two_nodes import county, township  # noqa: F401
