import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('registry', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Circuit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('model_version', 'Model version'), ('accelerator', 'Model version on a GPU'), ('endpoint', 'Endpoint')], max_length=15)),
                ('subject', models.UUIDField()),
                ('failures', models.PositiveIntegerField(default=0)),
                ('runs', models.PositiveIntegerField(db_default=0, help_text='Of a model version, since its first failure.')),
                ('detail', models.CharField(blank=True, db_default='', help_text='What went wrong last.', max_length=300)),
                ('opened_at', models.DateTimeField(blank=True, null=True)),
                ('probe_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('kind', 'subject'), name='circuit_once'), models.CheckConstraint(condition=models.Q(('kind__in', ['model_version', 'accelerator', 'endpoint'])), name='circuit_kind'), models.CheckConstraint(condition=models.Q(models.Q(('opened_at__isnull', True), ('probe_at__isnull', True)), models.Q(('opened_at__isnull', False), ('probe_at__isnull', False)), _connector='OR'), name='circuit_probe')],
            },
        ),
        migrations.CreateModel(
            name='AuditRate',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='audit_rates', to='registry.stream')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='audit_rates', to='registry.modelversion')),
                ('answer', models.CharField(db_column='class', max_length=80, verbose_name='class')),
                ('day', models.DateField()),
                ('rate', models.FloatField()),
                ('cause', models.CharField(max_length=120)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'model_version', 'answer', 'day'), name='audit_rate_of_day'), models.CheckConstraint(condition=models.Q(('rate__range', (0, 1))), name='audit_rate_range')],
            },
        ),
        migrations.CreateModel(
            name='BackTest',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('policy_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='back_tests', to='registry.policyversion')),
                ('period_start', models.DateTimeField()),
                ('period_end', models.DateTimeField()),
                ('result', models.JSONField(blank=True, null=True)),
                ('created_by', models.CharField(max_length=120)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('period_start__lt', models.F('period_end'))), name='back_test_period')],
            },
        ),
        migrations.CreateModel(
            name='Breaker',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='breakers', to='registry.stream')),
                ('answer', models.CharField(db_column='class', max_length=80, verbose_name='class')),
                ('segment', models.CharField(blank=True, default='', max_length=120)),
                ('state', models.CharField(choices=[('closed', 'Closed'), ('amber', 'Amber'), ('open', 'Open')], default='closed', max_length=10)),
                ('evidence', models.JSONField(default=dict)),
                ('changed_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'answer', 'segment'), name='breaker_once'), models.CheckConstraint(condition=models.Q(('state__in', ['closed', 'amber', 'open'])), name='breaker_state')],
            },
        ),
        migrations.CreateModel(
            name='Certificate',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='certificates', to='registry.stream')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='certificates', to='registry.modelversion')),
                ('scope', models.CharField(help_text='A class, or “joint”.', max_length=80)),
                ('number', models.PositiveIntegerField()),
                ('state', models.CharField(choices=[('certified', 'Certified'), ('unproven', 'Unproven'), ('violated', 'Violated')], default='unproven', max_length=10)),
                ('target_error', models.FloatField()),
                ('confidence', models.FloatField()),
                ('threshold', models.FloatField(blank=True, null=True)),
                ('evidence', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'model_version', 'scope', 'number'), name='certificate_number'), models.CheckConstraint(condition=models.Q(('state__in', ['certified', 'unproven', 'violated'])), name='certificate_state'), models.CheckConstraint(condition=models.Q(('confidence__gt', 0), ('confidence__lt', 1), ('target_error__gt', 0), ('target_error__lt', 1)), name='certificate_promise'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'certified'), _negated=True), ('threshold__isnull', False), _connector='OR'), name='certificate_threshold')],
            },
        ),
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='holds', to='registry.stream')),
                ('scope', models.CharField(choices=[('automation', 'Automation'), ('deliveries', 'Deliveries'), ('all', 'Automation and deliveries')], max_length=12)),
                ('reason', models.TextField()),
                ('placed_by', models.CharField(max_length=120)),
                ('placed_at', models.DateTimeField(auto_now_add=True)),
                ('lifted_by', models.CharField(blank=True, max_length=120, null=True)),
                ('lifted_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('lifted_at__isnull', True)), fields=('stream', 'scope'), name='hold_one_open', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('scope__in', ['automation', 'deliveries', 'all'])), name='hold_scope'), models.CheckConstraint(condition=models.Q(models.Q(('lifted_at__isnull', True), ('lifted_by__isnull', True)), models.Q(('lifted_at__isnull', False), ('lifted_by__isnull', False)), _connector='OR'), name='hold_lifted')],
            },
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='ledger', to='registry.modelversion')),
                ('case_id', models.UUIDField()),
                ('answer', models.CharField(db_column='class', max_length=80, verbose_name='class')),
                ('confidence', models.FloatField()),
                ('inclusion_probability', models.FloatField()),
                ('is_wrong', models.BooleanField()),
                ('is_overdue', models.BooleanField(default=False)),
                ('recorded_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('model_version', 'case_id'), name='ledger_entry_once'), models.CheckConstraint(condition=models.Q(('inclusion_probability__gt', 0), ('inclusion_probability__lte', 1)), name='ledger_entry_probability')],
            },
        ),
    ]
