"""The township node: spool, compression, and the way of every study over a bad line."""
