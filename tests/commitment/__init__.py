"""Storage commitment: requests, verdicts, reports."""
