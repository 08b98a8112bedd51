import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('events', '0001_initial'),
        ('registry', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='endpoints', to='accounts.team')),
                ('url', models.URLField(max_length=500)),
                ('description', models.CharField(blank=True, max_length=200)),
                ('event_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), blank=True, default=list, help_text='Empty: every published type.', size=None)),
                ('state', models.CharField(choices=[('active', 'Active'), ('paused', 'Paused'), ('disabled', 'Disabled')], default='active', max_length=10)),
                ('state_reason', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('streams', models.ManyToManyField(blank=True, help_text='Empty: every stream of the team.', to='registry.stream')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('team', 'url'), name='endpoint_url'), models.CheckConstraint(condition=models.Q(('state__in', ['active', 'paused', 'disabled'])), name='endpoint_state')],
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('event', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='events.event')),
                ('endpoint', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='webhooks.endpoint')),
                ('case_id', models.CharField(max_length=36, null=True)),
                ('sequence', models.PositiveIntegerField(null=True)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('delivered', 'Delivered'), ('dead', 'Dead')], default='pending', max_length=10)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('last_status', models.PositiveSmallIntegerField(null=True)),
                ('lease_token', models.UUIDField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('closed_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('event', 'endpoint'), name='delivery_once'), models.CheckConstraint(condition=models.Q(models.Q(('lease_token__isnull', True), ('lease_until__isnull', True)), models.Q(('lease_token__isnull', False), ('lease_until__isnull', False)), _connector='OR'), name='delivery_lease'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('state', 'pending')), models.Q(('closed_at__isnull', False), ('lease_token__isnull', True), ('state__in', ['delivered', 'dead'])), _connector='OR'), name='delivery_closed')],
                'indexes': [models.Index(condition=models.Q(('state', 'pending')), fields=['endpoint', 'next_at', 'id'], name='delivery_endpoint_due'), models.Index(condition=models.Q(('lease_token__isnull', False)), fields=['lease_until'], name='delivery_leased'), models.Index(condition=models.Q(('state', 'pending')), fields=['endpoint', 'case_id', 'sequence'], name='delivery_case_order'), models.Index(fields=['endpoint', 'id'], name='delivery_newest')],
            },
        ),
        migrations.CreateModel(
            name='EndpointSecret',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='secrets', to='webhooks.endpoint')),
                ('number', models.PositiveIntegerField()),
                ('encrypted', models.BinaryField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('endpoint', 'number'), name='endpoint_secret_number')],
            },
        ),
        migrations.CreateModel(
            name='DeliveryAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('delivery', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='log', to='webhooks.delivery')),
                ('number', models.PositiveSmallIntegerField()),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('seconds', models.FloatField()),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('error', models.CharField(blank=True, max_length=200)),
                ('answer', models.CharField(blank=True, help_text="The first 1 KB of the receiver's answer.", max_length=1024)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('delivery', 'number'), name='delivery_attempt_number')],
            },
        ),
    ]
