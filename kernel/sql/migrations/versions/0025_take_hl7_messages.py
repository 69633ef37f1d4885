"""Take HL7 messages.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import RowId
from kernel.sql.columns import UtcDateTime

revision = '0025'
down_revision = '0023'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def upgrade() -> None:
    op.create_table('hl7_messages',
    sa.Column('id', RowId, autoincrement=True, nullable=False),
    sa.Column('sender', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('control_id', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('institution', sa.String(length=64), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('type', sa.String(length=16), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('code', sa.String(length=2), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('answer', sa.LargeBinary(), nullable=True),
    sa.Column('raw', sa.LargeBinary(), nullable=False),
    sa.Column('received_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_hl7_messages')),
    sa.UniqueConstraint('sender', 'control_id', 'digest', name=op.f('uq_hl7_messages_sender_control_id_digest')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('hl7_messages', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_hl7_messages_received_at'), ['received_at'], unique=False)
        batch_op.create_index('ix_hl7_messages_state', ['state', 'id'], unique=False)

    op.create_table('hl7_outbox',
    sa.Column('id', RowId, autoincrement=True, nullable=False),
    sa.Column('application', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('facility', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('message', sa.LargeBinary(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('set_aside', sa.Boolean(), nullable=False),
    sa.Column('due_at', UtcDateTime(), nullable=False),
    sa.Column('made_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_hl7_outbox')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('hl7_outbox', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_hl7_outbox_due_at'), ['due_at'], unique=False)

    op.create_table('hl7_placed_orders',
    sa.Column('institution', sa.String(length=64), nullable=False),
    sa.Column('application', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('placer_number', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('order', sa.String(length=26), nullable=False),
    sa.Column('placed_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('institution', 'application', 'placer_number', name=op.f('pk_hl7_placed_orders'))
    )
    with op.batch_alter_table('hl7_placed_orders', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_hl7_placed_orders_order'), ['order'], unique=False)

    op.create_table('hl7_peers',
    sa.Column('application', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('facility', sa.String().with_variant(sa.VARCHAR(collation='C'), 'postgresql'), nullable=False),
    sa.Column('institution', sa.String(length=64), nullable=False),
    sa.Column('networks', sa.Text(), nullable=False),
    sa.Column('charset', sa.String(length=64), nullable=False),
    sa.Column('mode', sa.String(length=16), nullable=False),
    sa.Column('processing', sa.String(length=3), nullable=False),
    sa.Column('host', sa.Text(), nullable=False),
    sa.Column('port', sa.Integer(), nullable=False),
    sa.Column('tls', sa.Boolean(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['institution'], ['institutions.code'], name=op.f('fk_hl7_peers_institution')),
    sa.PrimaryKeyConstraint('application', 'facility', name=op.f('pk_hl7_peers'))
    )
    with op.batch_alter_table('hl7_peers', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_hl7_peers_institution'), ['institution'], unique=False)


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
