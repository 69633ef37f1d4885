"""Objects on their way to other nodes: a durable queue for each, sent until they are there."""
