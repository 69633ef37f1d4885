"""Grants of patients and studies, emergency looks, and what grants open in the searches' table."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from kernel.sql.columns import UtcDateTime

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def _code() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(postgresql.VARCHAR(collation='C'), 'postgresql')


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    # Added in place: the table is as long as the archive.
    op.add_column('study_reach', sa.Column('reason', _code(), server_default='', nullable=False))
    op.add_column('study_reach', sa.Column('until', UtcDateTime(), nullable=True))
    op.create_index('ix_order_patients_resident', 'order_patients', ['resident_id'])
    op.create_table('access_grants',
    sa.Column('id', _row_id(), autoincrement=True, nullable=False),
    sa.Column('holder', _code(), nullable=False),
    sa.Column('patient', _row_id(), nullable=True),
    sa.Column('study', _row_id(), nullable=True),
    sa.Column('reason', _code(), nullable=False),
    sa.Column('given_by', _code(), nullable=False),
    sa.Column('since', UtcDateTime(), nullable=False),
    sa.Column('until', UtcDateTime(), nullable=True),
    sa.Column('withdrawn_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['patient'], ['patient.id'], name=op.f('fk_access_grants_patient')),
    sa.ForeignKeyConstraint(['study'], ['study.id'], name=op.f('fk_access_grants_study'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_access_grants')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_access_grants_patient', 'access_grants', ['patient'])
    op.create_index('ix_access_grants_study', 'access_grants', ['study'])
    op.create_index('ix_access_grants_given_by', 'access_grants', ['given_by'])
    op.create_table('emergency_looks',
    sa.Column('id', _row_id(), autoincrement=True, nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('username', sa.Text(), server_default='', nullable=False),
    sa.Column('display_name', sa.Text(), server_default='', nullable=False),
    sa.Column('institution', _code(), server_default='', nullable=False),
    sa.Column('owner', _code(), server_default='', nullable=False),
    sa.Column('why', sa.Text(), server_default='', nullable=False),
    sa.Column('since', UtcDateTime(), nullable=False),
    sa.Column('until', UtcDateTime(), nullable=False),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.Column('verdict', _code(), server_default='', nullable=False),
    sa.Column('note', sa.Text(), server_default='', nullable=False),
    sa.Column('reviewed_by', sa.Text(), server_default='', nullable=False),
    sa.Column('reviewed_at', UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_emergency_looks')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_emergency_looks_user_id', 'emergency_looks', ['user_id', 'id'])
    op.create_index('ix_emergency_looks_institution', 'emergency_looks', ['institution', 'id'])
    op.create_index('ix_emergency_looks_owner', 'emergency_looks', ['owner', 'id'])
    op.create_table('emergency_tries',
    sa.Column('id', _row_id(), autoincrement=True, nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_emergency_tries')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_emergency_tries_user_id', 'emergency_tries', ['user_id', 'at'])


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
