import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
import uuid_utils.compat
from django.db import migrations, models

import reviewapp.events.fields


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, primary_key=True, serialize=False)),
                ('type', models.CharField(max_length=64)),
                ('team_id', models.CharField(max_length=36, null=True)),
                ('stream_id', models.CharField(max_length=36, null=True)),
                ('case_id', models.CharField(max_length=36, null=True)),
                ('subject', models.CharField(max_length=120)),
                ('sequence', models.PositiveIntegerField(null=True)),
                ('actor', models.CharField(max_length=120)),
                ('payload', models.BinaryField()),
                ('traceparent', models.CharField(blank=True, default='', max_length=55)),
                ('xid', reviewapp.events.fields.TransactionIdField(db_default=reviewapp.events.fields.CurrentTransaction(), editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('case_id', 'sequence'), name='event_case_sequence'), models.CheckConstraint(condition=models.Q(models.Q(('case_id__isnull', True), ('sequence__isnull', True)), models.Q(('case_id__isnull', False), ('sequence__isnull', False)), _connector='OR'), name='event_sequence_with_case')],
                'indexes': [models.Index(fields=['stream_id', 'xid', 'id'], name='event_feed')],
            },
        ),
        migrations.CreateModel(
            name='OutboxEntry',
            fields=[
                ('event', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='outbox_entry', serialize=False, to='events.event')),
                ('available_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'indexes': [models.Index(fields=['available_at', 'event'], name='outbox_available')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='event',
            trigger=pgtrigger.compiler.Trigger(name='event_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='110821042facba6b39a0acfadf1901dc7188a978', operation='UPDATE OR DELETE', pgid='pgtrigger_event_append_only_3d407', table='events_event', when='BEFORE')),
        ),
    ]
