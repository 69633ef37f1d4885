"""${message}.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
