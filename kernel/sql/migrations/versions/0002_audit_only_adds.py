"""The audit trail refuses UPDATE and DELETE."""

from alembic import op

from kernel.audit.trail import ONLY_ADD_POSTGRESQL, ONLY_ADD_SQLITE

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()


def upgrade() -> None:
    """Make the triggers."""
    postgres = op.get_bind().dialect.name == "postgresql"
    for statement in ONLY_ADD_POSTGRESQL if postgres else ONLY_ADD_SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """Not offered."""
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
