"""The township node: spool, forwarder, line."""
