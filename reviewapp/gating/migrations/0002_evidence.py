import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the evidence needs; nothing was ever written to the tables that it replaces."""

    dependencies = [
        ('gating', '0001_initial'),
        ('registry', '0002_approval'),
    ]

    operations = [
        migrations.DeleteModel(
            name='BackTest',
        ),
        migrations.DeleteModel(
            name='Breaker',
        ),
        migrations.DeleteModel(
            name='Certificate',
        ),
        migrations.DeleteModel(
            name='LedgerEntry',
        ),
        migrations.CreateModel(
            name='AutomaticCount',
            fields=[
                ('stream', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='automatic_count', serialize=False, to='registry.stream')),
                ('started_at', models.DateTimeField()),
                ('count', models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='BackTest',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('policy_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='back_tests', to='registry.policyversion')),
                ('period_start', models.DateTimeField()),
                ('period_end', models.DateTimeField()),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed')], default='waiting', max_length=8)),
                ('result', models.JSONField(blank=True, null=True)),
                ('detail', models.CharField(blank=True, default='', help_text='Why it failed.', max_length=300)),
                ('created_by', models.CharField(max_length=120)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('period_start__lt', models.F('period_end'))), name='back_test_period'), models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'running', 'done', 'failed'])), name='back_test_state'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'done'), _negated=True), ('result__isnull', False), _connector='OR'), name='back_test_result')],
            },
        ),
        migrations.CreateModel(
            name='BackTestChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('back_test', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='gating.backtest')),
                ('case_id', models.UUIDField()),
                ('route_before', models.CharField(max_length=8)),
                ('route_after', models.CharField(max_length=8)),
                ('answer', models.CharField(db_column='class', max_length=80, verbose_name='class')),
                ('confidence', models.FloatField()),
                ('truth', models.CharField(help_text='What people found, where they looked.', max_length=80, null=True)),
                ('reason', models.CharField(help_text="Why, as the gate's code under the tested policy.", max_length=40)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('back_test', 'case_id'), name='back_test_change_once')],
            },
        ),
        migrations.CreateModel(
            name='Breaker',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='breakers', to='registry.stream')),
                ('model_version', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.modelversion')),
                ('answer', models.CharField(db_column='class', max_length=80, verbose_name='class')),
                ('segment', models.CharField(blank=True, default='', max_length=120)),
                ('state', models.CharField(choices=[('closed', 'Closed'), ('amber', 'Amber'), ('open', 'Open')], default='closed', max_length=10)),
                ('evidence', models.JSONField(default=dict, help_text='Level, limit, audits and wrong ones since it was armed.')),
                ('armed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='Audits of cases that arrived from here on count.')),
                ('changed_at', models.DateTimeField(auto_now=True)),
                ('rearm_asked_by', models.CharField(blank=True, max_length=120, null=True)),
                ('rearm_asked_at', models.DateTimeField(blank=True, null=True)),
                ('rearm_reason', models.CharField(blank=True, default='', max_length=500)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'answer', 'segment'), name='breaker_once'), models.CheckConstraint(condition=models.Q(('state__in', ['closed', 'amber', 'open'])), name='breaker_state'), models.CheckConstraint(condition=models.Q(models.Q(('rearm_asked_at__isnull', True), ('rearm_asked_by__isnull', True)), models.Q(('rearm_asked_at__isnull', False), ('rearm_asked_by__isnull', False), ('state', 'open')), _connector='OR'), name='breaker_rearm')],
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
                ('evidence', models.JSONField(default=dict, help_text='Ladder, start rungs, budget, counts and bounds, and where the ledger was cut.')),
                ('since', models.DateTimeField(help_text='Evidence of cases that arrived from here on counts.', null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('voided_at', models.DateTimeField(blank=True, null=True)),
                ('void_reason', models.CharField(blank=True, default='', max_length=300)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'model_version', 'scope', 'number'), name='certificate_number'), models.UniqueConstraint(condition=models.Q(('voided_at__isnull', True)), fields=('stream', 'model_version', 'scope'), name='certificate_one_in_force'), models.CheckConstraint(condition=models.Q(('state__in', ['certified', 'unproven', 'violated'])), name='certificate_state'), models.CheckConstraint(condition=models.Q(('confidence__gt', 0), ('confidence__lt', 1), ('target_error__gt', 0), ('target_error__lt', 1)), name='certificate_promise'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'certified'), _negated=True), ('threshold__isnull', False), _connector='OR'), name='certificate_threshold')],
            },
        ),
        migrations.CreateModel(
            name='LabelledHistory',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='histories', to='registry.stream')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='histories', to='registry.modelversion')),
                ('digest', models.BinaryField(help_text='SHA-256 of the file.', max_length=32)),
                ('file_name', models.CharField(max_length=200)),
                ('drawn', models.CharField(choices=[('everything', 'Every case of a period'), ('random', 'A random sample of them'), ('otherwise', 'Picked in another way: never proof')], max_length=10)),
                ('declaration', models.TextField(help_text="How it was drawn, in the owner's words.")),
                ('rows', models.JSONField(help_text='[class predicted, confidence, is wrong] of each row.')),
                ('num_rows', models.PositiveIntegerField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.CharField(max_length=120)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('model_version', 'digest'), name='labelled_history_once'), models.CheckConstraint(condition=models.Q(('drawn__in', ['everything', 'random', 'otherwise'])), name='labelled_history_drawn')],
            },
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='ledger', to='registry.modelversion')),
                ('case_id', models.UUIDField()),
                ('answer', models.CharField(db_column='class', help_text='What the model said.', max_length=80, verbose_name='class')),
                ('truth', models.CharField(help_text='What people found; null while overdue.', max_length=80, null=True)),
                ('confidence', models.FloatField()),
                ('coin', models.FloatField()),
                ('inclusion_probability', models.FloatField()),
                ('least_probability', models.FloatField(help_text='The least π that a case of this model and class could have had at that time.')),
                ('is_wrong', models.BooleanField()),
                ('is_overdue', models.BooleanField(default=False)),
                ('is_automatic', models.BooleanField(help_text="An audit of what acted alone, on this model's word.")),
                ('segment', models.CharField(blank=True, default='', max_length=120)),
                ('value', models.FloatField(help_text="What a wrong decision on the case costs, in the stream's money.", null=True)),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('model_version', 'case_id'), name='ledger_entry_once'), models.CheckConstraint(condition=models.Q(('inclusion_probability__gt', 0), ('inclusion_probability__lte', 1)), name='ledger_entry_probability'), models.CheckConstraint(condition=models.Q(('least_probability__gt', 0), ('least_probability__lte', models.F('inclusion_probability'))), name='ledger_entry_least_probability'), models.CheckConstraint(condition=models.Q(models.Q(('is_overdue', True), ('is_wrong', True), ('truth__isnull', True)), models.Q(('is_overdue', False), ('truth__isnull', False)), _connector='OR'), name='ledger_entry_overdue')],
            },
        ),
    ]
