"""What this door asks of the departments."""

from collections.abc import Mapping
from typing import Protocol

import sqlalchemy as sa

from gateway.hl7.codec import Message
from gateway.hl7.model import Handled, Sender


class MessageHandler(Protocol):
    """Does what messages of one type ask for."""

    def __call__(self, conn: sa.Connection, message: Message, sender: Sender, /) -> Handled:
        """Do it in *conn*'s transaction, all of it or nothing, and say what was done.

        Raises:
            PlatformError: it cannot be; ``members[LOCATION]`` says at which field. The detail
                quotes nothing of a patient: it goes into the answer and into logs.
        """
        ...


Handlers = Mapping[str, MessageHandler]
"""By message type and event, such as ``ADT^A01``."""
