"""Keep persons, corrections of whose a study is, and rejected objects.

Made by tools/draft_migration.py, then read.
"""

import sqlalchemy as sa
from alembic import op

from kernel.sql.columns import Code, JsonDocument, UtcDateTime

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

ROWS_MAY_CHANGE: tuple[str, ...] = ()
"""Tables whose number of rows this change alters on purpose; in all others it must not."""


def _row(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=nullable)


def _code(name: str, *, default: str | None = '') -> sa.Column[str]:
    return sa.Column(name, Code, server_default=default, nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default='', nullable=False)


def _count(name: str, default: str = '0') -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=False)


def _at(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime(), nullable=nullable)


def upgrade() -> None:
    _patients_and_studies()
    _persons()
    _amendments()


def _patients_and_studies() -> None:
    op.add_column('patient', _row('person', nullable=True))
    op.add_column(
        'patient', sa.Column('to_match', sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.create_index('ix_patient_person', 'patient', ['person'])
    op.create_index('ix_patient_birth_date', 'patient', ['birth_date', 'sex'])
    due = sa.text('to_match')
    op.create_index(
        'ix_patient_to_match', 'patient', ['id'], sqlite_where=due, postgresql_where=due
    )
    op.add_column('study', sa.Column('correction', JsonDocument, nullable=True))
    op.add_column('series', _count('revision'))


def _persons() -> None:
    op.create_table('persons',
    _row('id'),
    _count('version', '1'),
    _row('merged_into', nullable=True),
    _at('created_at'),
    _at('updated_at'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_persons'))
    )
    op.create_index('ix_persons_merged_into', 'persons', ['merged_into'])
    op.create_table('patient_numbers',
    _row('patient'),
    _code('kind', default=None),
    _code('number', default=None),
    _code('source'),
    _at('noted_at'),
    sa.ForeignKeyConstraint(['patient'], ['patient.id'], name=op.f('fk_patient_numbers_patient'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('patient', 'kind', name=op.f('pk_patient_numbers'))
    )
    op.create_index('ix_patient_numbers_number', 'patient_numbers', ['number', 'kind'])
    op.create_table('match_proposals',
    _row('id'),
    _row('one'),
    _row('other'),
    _code('state'),
    _count('version', '1'),
    _at('proposed_at'),
    _text('decided_by'),
    _text('decided_by_name'),
    _at('decided_at', nullable=True),
    sa.ForeignKeyConstraint(['one'], ['patient.id'], name=op.f('fk_match_proposals_one'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['other'], ['patient.id'], name=op.f('fk_match_proposals_other'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_match_proposals')),
    sa.UniqueConstraint('one', 'other', name=op.f('uq_match_proposals_one_other'))
    )
    op.create_index('ix_match_proposals_state', 'match_proposals', ['state', 'id'])
    op.create_index('ix_match_proposals_other', 'match_proposals', ['other'])
    op.create_table('person_merges',
    _row('id'),
    _row('kept'),
    _row('gone'),
    sa.Column('patients', JsonDocument, nullable=False),
    _code('basis'),
    _text('reason'),
    _text('made_by'),
    _text('made_by_name'),
    _at('made_at'),
    _text('undone_by'),
    _text('undone_by_name'),
    _text('undone_reason'),
    _at('undone_at', nullable=True),
    sa.ForeignKeyConstraint(['kept'], ['persons.id'], name=op.f('fk_person_merges_kept')),
    sa.ForeignKeyConstraint(['gone'], ['persons.id'], name=op.f('fk_person_merges_gone')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_person_merges'))
    )
    op.create_index('ix_person_merges_kept', 'person_merges', ['kept'])
    op.create_index('ix_person_merges_gone', 'person_merges', ['gone'])


def _amendments() -> None:
    op.create_table('study_corrections',
    _row('id'),
    _code('study_instance_uid'),
    _code('institution'),
    _code('target'),
    sa.Column('correction', JsonDocument, nullable=False),
    sa.Column('before', JsonDocument, nullable=False),
    _text('reason'),
    _text('made_by'),
    _text('made_by_name'),
    _at('made_at'),
    _text('undone_by'),
    _text('undone_by_name'),
    _text('undone_reason'),
    _at('undone_at', nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_study_corrections'))
    )
    op.create_index('ix_study_corrections_study_instance_uid', 'study_corrections', ['study_instance_uid'])
    op.create_table('rejections',
    _row('id'),
    _code('study_instance_uid'),
    _code('institution'),
    _code('title'),
    _text('reason'),
    _code('note', default=None),
    _code('sent_by'),
    _text('made_by'),
    _text('made_by_name'),
    _at('made_at'),
    sa.Column('shelf', JsonDocument, nullable=False),
    _text('undone_by'),
    _text('undone_by_name'),
    _text('undone_reason'),
    _at('undone_at', nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rejections')),
    sa.UniqueConstraint('note', name=op.f('uq_rejections_note'))
    )
    op.create_index('ix_rejections_study_instance_uid', 'rejections', ['study_instance_uid'])
    op.create_index('ix_rejections_institution', 'rejections', ['institution', 'id'])
    op.create_table('rejected_contents',
    _row('id'),
    _row('rejection'),
    _code('kind'),
    _code('series_instance_uid'),
    _code('sop_instance_uid', default=None),
    _code('object_key'),
    _count('size_bytes'),
    _code('dataset_digest'),
    _code('pixels_digest'),
    _count('seen_count'),
    sa.Column('row', JsonDocument, nullable=False),
    sa.Column('metadata_json', sa.LargeBinary(), nullable=True),
    sa.ForeignKeyConstraint(['rejection'], ['rejections.id'], name=op.f('fk_rejected_contents_rejection')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rejected_contents'))
    )
    op.create_index('ix_rejected_contents_sop_instance_uid', 'rejected_contents', ['sop_instance_uid'])
    op.create_index('ix_rejected_contents_rejection', 'rejected_contents', ['rejection'])


def downgrade() -> None:
    msg = "restore the copy made before the change"
    raise NotImplementedError(msg)
