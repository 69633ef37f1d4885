"""The TLS in which the node calls peers."""

import ssl
from collections.abc import Callable

from kernel.settings import Settings


def calling_tls(settings: Settings) -> Callable[[], ssl.SSLContext] | None:
    """Return what makes the context in which a peer is called that asks for TLS."""
    tls = settings.tls
    if not tls.on:
        return None

    def made() -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=tls.client_ca_file or None)
        # Devices are called by their addresses, which their certificates seldom name.
        context.check_hostname = False
        context.load_cert_chain(tls.cert_file, tls.key_file)
        return context

    return made
