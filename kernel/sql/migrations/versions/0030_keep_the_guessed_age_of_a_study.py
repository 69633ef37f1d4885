"""Keep the guessed age of a study.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    with op.batch_alter_table('study', schema=None) as batch_op:
        batch_op.add_column(sa.Column('estimated_age_years', sa.SmallInteger(), nullable=True))


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
