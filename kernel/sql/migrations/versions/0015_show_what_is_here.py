"""Show at the township what is here; send reports down.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import UtcDateTime

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.create_table('exchange_report_letters',
    sa.Column('study_instance_uid', sa.String(length=64), nullable=False),
    sa.Column('institution', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_instance_uid', 'institution', name=op.f('pk_exchange_report_letters'))
    )
    op.create_table('exchange_event_places',
    sa.Column('reader', sa.String(length=64), nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('reader', name=op.f('pk_exchange_event_places'))
    )
    op.add_column('township_instances', sa.Column('shown_at', UtcDateTime(), nullable=True))
    op.create_index(
        'ix_township_instances_to_show',
        'township_instances',
        ['id'],
        unique=False,
        sqlite_where=sa.text('shown_at IS NULL AND deleted_at IS NULL'),
        postgresql_where=sa.text('shown_at IS NULL AND deleted_at IS NULL'),
    )
    op.add_column('exchange_return_objects', sa.Column('shown_at', UtcDateTime(), nullable=True))
    op.create_index(
        'ix_exchange_return_objects_object_key', 'exchange_return_objects', ['object_key'], unique=False
    )


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
