"""What ``yilian doctor`` looks at: each file one kind of thing, changing none."""
