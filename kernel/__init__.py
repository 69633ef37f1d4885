"""What two or more departments share: values, ports and plumbing, no clinical verb."""
