import datetime

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('accounts', '__first__'),
    ]

    operations = [
        migrations.CreateModel(
            name='Bundle',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('manifest', models.JSONField()),
                ('state', models.CharField(choices=[('checking', 'Checking'), ('ready', 'Ready'), ('refused', 'Refused')], default='checking', max_length=10)),
                ('refusal', models.TextField(blank=True)),
                ('run_budget', models.JSONField(blank=True, null=True)),
                ('size', models.PositiveBigIntegerField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['checking', 'ready', 'refused'])), name='bundle_state'), models.CheckConstraint(condition=models.Q(('state', 'refused'), ('refusal', ''), _connector='XOR'), name='bundle_refusal_with_state')],
            },
        ),
        migrations.CreateModel(
            name='Client',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='clients', to='accounts.team')),
                ('name', models.CharField(max_length=120)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('team', 'name'), name='client_name')],
            },
        ),
        migrations.CreateModel(
            name='BundleChunk',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('bundle', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='chunks', to='registry.bundle')),
                ('file', models.CharField(max_length=40)),
                ('number', models.PositiveIntegerField()),
                ('data', models.BinaryField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('bundle', 'file', 'number'), name='bundle_chunk_number')],
            },
        ),
        migrations.CreateModel(
            name='Stream',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='streams', to='accounts.team')),
                ('slug', models.SlugField()),
                ('name', models.CharField(max_length=120)),
                ('description', models.TextField(blank=True)),
                ('classes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), help_text='The answers a case can get, in order.', size=None)),
                ('review_mode', models.CharField(choices=[('assisted', 'Assisted'), ('commit_then_reveal', 'Commit, then reveal'), ('blind', 'Blind')], default='assisted', max_length=20)),
                ('blind_share', models.FloatField(default=0.1, help_text="Share of assisted reviews read blind, by the case's coin; at least the audit rate.", validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)])),
                ('sla', models.DurationField(default=datetime.timedelta(days=1), help_text='Time from arrival to a decision.')),
                ('retention', models.DurationField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('team', 'slug'), name='stream_slug'), models.CheckConstraint(condition=models.Q(('blind_share__range', (0, 1))), name='stream_blind_share'), models.CheckConstraint(condition=models.Q(('classes__len__gte', 2)), name='stream_classes'), models.CheckConstraint(condition=models.Q(('review_mode__in', ['assisted', 'commit_then_reveal', 'blind'])), name='stream_review_mode')],
            },
        ),
        migrations.CreateModel(
            name='ModelVersion',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='model_versions', to='registry.stream')),
                ('number', models.PositiveIntegerField()),
                ('kind', models.CharField(choices=[('bundle', 'Bundle'), ('external', 'External')], max_length=10)),
                ('bundle', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='model_versions', to='registry.bundle')),
                ('name', models.CharField(max_length=120)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.CharField(max_length=120)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'number'), name='model_version_number'), models.UniqueConstraint(fields=('stream', 'bundle'), name='model_version_bundle'), models.CheckConstraint(condition=models.Q(models.Q(('bundle__isnull', False), ('kind', 'bundle')), models.Q(('bundle__isnull', True), ('kind', 'external')), _connector='OR'), name='model_version_kind')],
            },
        ),
        migrations.CreateModel(
            name='Rollout',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rollouts', to='registry.stream')),
                ('generation', models.PositiveIntegerField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.CharField(max_length=120)),
                ('reason', models.TextField(blank=True)),
                ('step', models.CharField(choices=[('promoted', 'Promoted'), ('canary', 'Canary'), ('shadows', 'Shadows'), ('rolled_back', 'Rolled back'), ('serving', 'Serving')], default='promoted', max_length=12)),
                ('guards', models.JSONField(blank=True, default=dict, help_text='What the canary must keep to; empty without one.')),
                ('caches_results', models.BooleanField(default=False, help_text='Keeps the answers of a costly primary for inputs that come again.')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'generation'), name='rollout_generation'), models.CheckConstraint(condition=models.Q(('step__in', ['promoted', 'canary', 'shadows', 'rolled_back', 'serving'])), name='rollout_step')],
            },
        ),
        migrations.CreateModel(
            name='RolloutMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rollout', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='members', to='registry.rollout')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.modelversion')),
                ('role', models.CharField(choices=[('primary', 'Primary'), ('canary', 'Canary'), ('shadow', 'Shadow'), ('tier', 'First tier')], max_length=10)),
                ('share', models.FloatField(default=1.0, help_text='Share of cases; below 1 for a canary only.')),
                ('sure_from', models.FloatField(blank=True, help_text='Confidence from which the first tier answers without asking the primary.', null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('rollout', 'model_version'), name='rollout_member_once'), models.UniqueConstraint(condition=models.Q(('role', 'primary')), fields=('rollout',), name='rollout_one_primary'), models.UniqueConstraint(condition=models.Q(('role', 'canary')), fields=('rollout',), name='rollout_one_canary'), models.CheckConstraint(condition=models.Q(models.Q(('role', 'canary'), ('share__range', (0, 1))), models.Q(('role__in', ['primary', 'shadow', 'tier']), ('share', 1.0)), _connector='OR'), name='rollout_member_share'), models.UniqueConstraint(condition=models.Q(('role', 'tier')), fields=('rollout',), name='rollout_one_tier'), models.CheckConstraint(condition=models.Q(models.Q(('role', 'tier'), ('sure_from__gt', 0), ('sure_from__isnull', False), ('sure_from__lte', 1)), models.Q(models.Q(('role', 'tier'), _negated=True), ('sure_from__isnull', True)), _connector='OR'), name='rollout_member_sure_from')],
            },
        ),
        migrations.CreateModel(
            name='PolicyVersion',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='policy_versions', to='registry.stream')),
                ('number', models.PositiveIntegerField()),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('proposed', 'Proposed'), ('approved', 'Approved'), ('active', 'Active'), ('retired', 'Retired')], default='draft', max_length=10)),
                ('body', models.JSONField(help_text='{"thresholds": {class: 0.97}, "audit_rates": {class: 0.05}, "never_automate": [], "novelty_floor": 0.01}')),
                ('note', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.CharField(max_length=120)),
                ('proposed_by', models.CharField(blank=True, max_length=120, null=True)),
                ('proposed_at', models.DateTimeField(blank=True, null=True)),
                ('approved_by', models.CharField(blank=True, max_length=120, null=True)),
                ('approved_at', models.DateTimeField(blank=True, null=True)),
                ('activated_at', models.DateTimeField(blank=True, null=True)),
                ('retired_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'number'), name='policy_version_number'), models.UniqueConstraint(condition=models.Q(('state', 'active')), fields=('stream',), name='policy_version_one_active'), models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'proposed', 'approved', 'active', 'retired'])), name='policy_version_state'), models.CheckConstraint(condition=models.Q(('approved_by__isnull', True), models.Q(('approved_by', models.F('proposed_by')), _negated=True), _connector='OR'), name='policy_version_two_persons'), models.CheckConstraint(condition=models.Q(models.Q(('approved_at__isnull', True), ('approved_by__isnull', True)), models.Q(('approved_at__isnull', False), ('approved_by__isnull', False)), _connector='OR'), name='policy_version_approval'), models.CheckConstraint(condition=models.Q(models.Q(('proposed_at__isnull', True), ('proposed_by__isnull', True)), models.Q(('proposed_at__isnull', False), ('proposed_by__isnull', False)), _connector='OR'), name='policy_version_proposal')],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='accounts.team')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL)),
                ('stream', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='registry.stream')),
                ('role', models.CharField(choices=[('reviewer', 'Reviewer'), ('lead', 'Lead'), ('policy_owner', 'Policy owner'), ('model_owner', 'Model owner'), ('auditor', 'Auditor'), ('integrator', 'Integrator')], max_length=20)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('team', 'user', 'stream', 'role'), name='membership_once', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('role__in', ['reviewer', 'lead', 'policy_owner', 'model_owner', 'auditor', 'integrator'])), name='membership_role')],
            },
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('client', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='api_keys', to='registry.client')),
                ('prefix', models.CharField(max_length=12, unique=True)),
                ('digest', models.BinaryField(help_text='SHA-256 of the whole key; 256 random bits need no salt.', max_length=32)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), size=None)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
                ('streams', models.ManyToManyField(blank=True, help_text='Empty: every stream of the team.', to='registry.stream')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('scopes__len__gte', 1)), name='api_key_scopes')],
            },
        ),
        migrations.CreateModel(
            name='StreamRevision',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='revisions', to='registry.stream')),
                ('kind', models.CharField(choices=[('contract', 'Contract'), ('display', 'Display'), ('guideline', 'Guideline')], max_length=10)),
                ('number', models.PositiveIntegerField()),
                ('body', models.JSONField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.CharField(default='system', max_length=120)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'kind', 'number'), name='stream_revision_number'), models.CheckConstraint(condition=models.Q(('kind__in', ['contract', 'display', 'guideline'])), name='stream_revision_kind')],
            },
        ),
        migrations.AddField(
            model_name='rollout',
            name='previous',
            field=models.ForeignKey(blank=True, db_index=False, help_text='The primary before: kept warm, gone back to, and scored with when the primary cannot.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.modelversion'),
        ),
        migrations.AddField(
            model_name='stream',
            name='live_rollout',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.rollout'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='policyversion',
            trigger=pgtrigger.compiler.Trigger(name='policy_version_body_read_only', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."state" IN (\'proposed\', \'approved\', \'active\', \'retired\') AND OLD."body" IS DISTINCT FROM (NEW."body"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='bf27bef5c1b1e28d549c55d3f529c8e6e35d10f3', operation='UPDATE', pgid='pgtrigger_policy_version_body_read_only_7a7ba', table='registry_policyversion', when='BEFORE')),
        ),
    ]
