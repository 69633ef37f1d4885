"""Programs that tests of the orders room start and kill."""
