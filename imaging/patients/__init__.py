"""Patients as the archive knows them: identities qualified by who issued them."""
