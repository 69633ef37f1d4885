"""Who may come in: accounts, passwords, sign-ins, sessions and tokens."""
