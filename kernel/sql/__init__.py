"""The one way to SQL, on SQLite and PostgreSQL."""
