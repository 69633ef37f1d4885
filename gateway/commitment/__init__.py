"""Storage commitment: who asked about which instances, what became of them, who has been told."""
