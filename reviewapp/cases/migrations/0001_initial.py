import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
import pgvector.django.vector
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

import reviewapp.domain.states


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '__first__'),
        ('gating', '0001_initial'),
        ('registry', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='CachedResult',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('bundle', models.CharField(help_text="The bundle's digest.", max_length=64)),
                ('fingerprint', models.BinaryField(help_text='SHA-256 over the features as PostgreSQL writes them.')),
                ('probabilities', django.contrib.postgres.fields.ArrayField(base_field=models.FloatField(), help_text="In the order of the model's classes.", size=None)),
                ('provider', models.CharField(max_length=40)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'indexes': [models.Index(fields=['created_at'], name='cached_result_age')],
                'constraints': [models.UniqueConstraint(fields=('bundle', 'fingerprint'), name='cached_result_once')],
            },
        ),
        migrations.CreateModel(
            name='CacheUse',
            fields=[
                ('model_version', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='registry.modelversion')),
                ('lookups', models.PositiveBigIntegerField(default=0)),
                ('hits', models.PositiveBigIntegerField(default=0)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('hits__lte', models.F('lookups'))), name='cache_use_hits')],
            },
        ),
        migrations.CreateModel(
            name='Case',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='cases', to='registry.stream')),
                ('external_id', models.CharField(max_length=200)),
                ('state', models.CharField(choices=[('scoring', 'Scoring'), ('in_review', 'In review'), ('decided', 'Decided'), ('erased', 'Erased')], default=reviewapp.domain.states.CaseState['SCORING'], max_length=10)),
                ('generation', models.PositiveIntegerField(default=1)),
                ('fingerprint', models.BinaryField(help_text='SHA-256 of the first input, keys sorted.', max_length=32)),
                ('coin', models.FloatField()),
                ('rollout_coin', models.FloatField()),
                ('half_coin', models.FloatField()),
                ('num_events', models.PositiveIntegerField(default=0)),
                ('due_at', models.DateTimeField()),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'external_id'), name='case_external_id'), models.CheckConstraint(condition=models.Q(('state__in', ['scoring', 'in_review', 'decided', 'erased'])), name='case_state'), models.CheckConstraint(condition=models.Q(('coin__gte', 0), ('coin__lt', 1), ('half_coin__gte', 0), ('half_coin__lt', 1), ('rollout_coin__gte', 0), ('rollout_coin__lt', 1)), name='case_coins'), models.CheckConstraint(condition=models.Q(('generation__gte', 1)), name='case_generation')],
                'indexes': [models.Index(fields=['stream', 'id'], name='case_newest')],
            },
        ),
        migrations.CreateModel(
            name='CaseInput',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('case', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='inputs', to='cases.case')),
                ('generation', models.PositiveIntegerField()),
                ('features', models.JSONField()),
                ('context', models.JSONField(default=dict)),
                ('observed_at', models.DateTimeField(null=True)),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('case', 'generation'), name='case_input_generation')],
            },
        ),
        migrations.CreateModel(
            name='Embedding',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.stream')),
                ('case', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='embeddings', to='cases.case')),
                ('generation', models.PositiveIntegerField()),
                ('space', models.CharField(max_length=64)),
                ('vector', pgvector.django.vector.VectorField(dimensions=128)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('case', 'generation', 'space'), name='embedding_once')],
                'indexes': [models.Index(fields=['stream', 'space'], name='embedding_space')],
            },
        ),
        migrations.CreateModel(
            name='Prediction',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('case', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='predictions', to='cases.case')),
                ('model_version', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='predictions', to='registry.modelversion')),
                ('role', models.CharField(choices=[('primary', 'Primary'), ('canary', 'Canary'), ('shadow', 'Shadow'), ('external', 'External'), ('fallback', 'Fallback'), ('tier', 'First tier')], max_length=10)),
                ('generation', models.PositiveIntegerField()),
                ('answer', models.CharField(db_column='class', max_length=80, verbose_name='class')),
                ('probabilities', django.contrib.postgres.fields.ArrayField(base_field=models.FloatField(), help_text="In the order of the model's classes.", size=None)),
                ('confidence', models.FloatField()),
                ('novelty', models.FloatField(help_text='Share of training rows stranger than this one.', null=True)),
                ('provider', models.CharField(max_length=40)),
                ('latency', models.FloatField(help_text='Seconds of the batch that scored it.')),
                ('route', models.CharField(max_length=8, null=True)),
                ('reasons', models.JSONField(default=list)),
                ('policy_version', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='predictions', to='registry.policyversion')),
                ('threshold', models.FloatField(null=True)),
                ('inclusion_probability', models.FloatField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('case', 'model_version', 'role', 'generation'), name='prediction_once'), models.UniqueConstraint(fields=('id', 'route'), name='prediction_route_key'), models.CheckConstraint(condition=models.Q(models.Q(('role__in', ['shadow', 'tier']), ('route__isnull', True)), models.Q(('role__in', ['primary', 'canary', 'external', 'fallback']), ('route__isnull', False)), _connector='OR'), name='prediction_shadow_cannot_route'), models.CheckConstraint(condition=models.Q(models.Q(('role', 'fallback'), _negated=True), models.Q(('route', 'review'), ('route__isnull', False)), _connector='OR'), name='prediction_fallback_cannot_act'), models.CheckConstraint(condition=models.Q(('route__isnull', True), ('route__in', ['auto', 'review']), _connector='OR'), name='prediction_route'), models.CheckConstraint(condition=models.Q(('confidence__range', (0, 1))), name='prediction_confidence'), models.CheckConstraint(condition=models.Q(('inclusion_probability__isnull', True), ('inclusion_probability__range', (0, 1)), _connector='OR'), name='prediction_probability')],
            },
        ),
        migrations.CreateModel(
            name='Explanation',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('prediction', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='explanations', to='cases.prediction')),
                ('method', models.CharField(max_length=40)),
                ('state', models.CharField(choices=[('ready', 'Ready'), ('failed', 'Failed')], max_length=8)),
                ('failure', models.TextField(blank=True, default='')),
                ('answer', models.CharField(db_column='class', max_length=80, verbose_name='class')),
                ('output_space', models.CharField(blank=True, default='', max_length=20)),
                ('base_value', models.FloatField(null=True)),
                ('output_value', models.FloatField(null=True)),
                ('residual', models.FloatField(null=True)),
                ('is_additive', models.BooleanField(null=True)),
                ('background', models.CharField(blank=True, default='', max_length=64)),
                ('attributions', models.JSONField(default=list, help_text='[{"column", "value", "attribution"}], largest magnitude first; sampled ones have an "error", texts "words" and the "rest" of their attribution.')),
                ('sampling_error', models.FloatField(help_text='Largest standard error of an attribution; null where they are exact.', null=True)),
                ('evaluations', models.PositiveIntegerField(default=0, help_text='Rows that the model answered for it.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('prediction', 'method'), name='explanation_once'), models.CheckConstraint(condition=models.Q(models.Q(('base_value__isnull', False), ('is_additive__isnull', False), ('residual__isnull', False), ('state', 'ready')), models.Q(('state', 'failed'), models.Q(('failure', ''), _negated=True)), _connector='OR'), name='explanation_state')],
            },
        ),
        migrations.CreateModel(
            name='Recall',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='recalls', to='registry.stream')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='recalls', to='registry.modelversion')),
                ('since', models.DateTimeField(help_text='Decisions from here on.')),
                ('reason', models.TextField()),
                ('created_by', models.CharField(max_length=120)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('hold', models.ForeignKey(help_text='Keeps deliveries back until it is done; null where a person holds them anyway.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='gating.hold')),
                ('reached', models.UUIDField()),
                ('num_recalled', models.PositiveIntegerField(default=0)),
                ('num_unsent', models.PositiveIntegerField(default=0, help_text='Of those, never sent to anybody.')),
                ('finished_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('finished_at__isnull', True)), fields=('model_version',), name='recall_one_under_way'), models.CheckConstraint(condition=models.Q(('num_unsent__lte', models.F('num_recalled'))), name='recall_unsent_of_recalled'), models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='recall_reason')],
            },
        ),
        migrations.CreateModel(
            name='Review',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('case', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='reviews', to='cases.case')),
                ('stream', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='reviews', to='registry.stream')),
                ('generation', models.PositiveIntegerField()),
                ('kind', models.CharField(choices=[('routine', 'Routine'), ('audit', 'Audit'), ('second_opinion', 'Second opinion'), ('adjudication', 'Adjudication'), ('escalation', 'Escalation'), ('gold', 'Gold'), ('reopened', 'Reopened')], default='routine', max_length=15)),
                ('round', models.PositiveIntegerField(default=1)),
                ('mode', models.CharField(choices=[('assisted', 'Assisted'), ('commit_then_reveal', 'Commit, then reveal'), ('blind', 'Blind')], max_length=20)),
                ('prediction', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reviews', to='cases.prediction')),
                ('reasons', models.JSONField(default=list)),
                ('inclusion_probability', models.FloatField(help_text='π: the chance that the coin made this reading blind-first.')),
                ('state', models.CharField(choices=[('open', 'Open'), ('done', 'Done'), ('withdrawn', 'Withdrawn')], default='open', max_length=10)),
                ('priority', models.SmallIntegerField(default=0)),
                ('due_at', models.DateTimeField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('closed_at', models.DateTimeField(null=True)),
                ('claimed_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='claims', to=settings.AUTH_USER_MODEL)),
                ('claim_token', models.UUIDField(null=True)),
                ('claimed_at', models.DateTimeField(null=True)),
                ('claim_until', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('case', 'generation', 'kind', 'round'), name='review_round'), models.CheckConstraint(condition=models.Q(models.Q(('claim_token__isnull', True), ('claim_until__isnull', True), ('claimed_at__isnull', True), ('claimed_by__isnull', True)), models.Q(('claim_token__isnull', False), ('claim_until__isnull', False), ('claimed_at__isnull', False), ('claimed_by__isnull', False)), _connector='OR'), name='review_claim'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('state', 'open')), models.Q(('claimed_by__isnull', True), ('closed_at__isnull', False), ('state__in', ['done', 'withdrawn'])), _connector='OR'), name='review_closed'), models.CheckConstraint(condition=models.Q(('inclusion_probability__range', (0, 1))), name='review_probability'), models.CheckConstraint(condition=models.Q(('mode__in', ['assisted', 'commit_then_reveal', 'blind'])), name='review_mode'), models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['audit', 'gold']), _negated=True), ('mode', 'blind'), _connector='OR'), name='review_audit_is_blind')],
                'indexes': [models.Index(models.F('stream'), models.OrderBy(models.F('priority'), descending=True), models.F('due_at'), models.F('id'), condition=models.Q(('claimed_by__isnull', True), ('state', 'open')), name='review_queue'), models.Index(condition=models.Q(('claimed_by__isnull', False)), fields=['claim_until'], name='review_claimed'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(models.Func('reasons', models.Value('$[*].code'), function='jsonb_path_query_array', output_field=models.JSONField()), name='jsonb_path_ops'), name='review_reason_codes'), models.Index(condition=models.Q(('claimed_by__isnull', False)), fields=['claimed_by'], name='review_claimant')],
            },
        ),
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('case', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='cases.case')),
                ('sequence', models.PositiveIntegerField()),
                ('supersedes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='superseded_by', to='cases.decision')),
                ('source', models.CharField(choices=[('auto', 'Automatic'), ('human', 'Human'), ('withdrawn', 'Withdrawn')], max_length=10)),
                ('answer', models.CharField(db_column='class', max_length=80, null=True, verbose_name='class')),
                ('generation', models.PositiveIntegerField()),
                ('prediction', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='cases.prediction')),
                ('prediction_route', models.CharField(max_length=8, null=True)),
                ('review', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='cases.review')),
                ('model_version', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.modelversion')),
                ('policy_version', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.policyversion')),
                ('event_id', models.UUIDField(help_text='The event that announces it.')),
                ('actor', models.CharField(max_length=120)),
                ('decided_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('case', 'sequence'), name='decision_sequence'), models.UniqueConstraint(condition=models.Q(('supersedes__isnull', True)), fields=('case',), name='decision_one_first'), models.CheckConstraint(condition=models.Q(models.Q(('sequence', 1), ('supersedes__isnull', True)), models.Q(('sequence__gt', 1), ('supersedes__isnull', False)), _connector='OR'), name='decision_chain'), models.CheckConstraint(condition=models.Q(models.Q(('answer__isnull', True), ('source', 'withdrawn')), models.Q(('answer__isnull', False), ('source__in', ['auto', 'human'])), _connector='OR'), name='decision_class'), models.CheckConstraint(condition=models.Q(models.Q(('prediction__isnull', False), ('prediction_route', 'auto'), ('prediction_route__isnull', False), ('source', 'auto')), models.Q(('prediction_route__isnull', True), ('source__in', ['human', 'withdrawn'])), _connector='OR'), name='decision_auto_needs_route'), models.CheckConstraint(condition=models.Q(models.Q(('source', 'human'), _negated=True), ('review__isnull', False), _connector='OR'), name='decision_human_needs_review')],
            },
        ),
        migrations.CreateModel(
            name='ReviewDraft',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('review', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='drafts', to='cases.review')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('note', models.TextField(blank=True)),
                ('saved_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('review', 'user'), name='review_draft_once')],
            },
        ),
        migrations.CreateModel(
            name='ReviewSkip',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('review', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='skips', to='cases.review')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('skipped_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('review', 'user'), name='review_skip_once')],
            },
        ),
        migrations.CreateModel(
            name='VectorBuild',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stream', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.stream')),
                ('space', models.CharField(max_length=64)),
                ('newest', models.UUIDField(null=True)),
                ('oldest', models.UUIDField(null=True)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('completed_at', models.DateTimeField(help_text='When the vectors of all earlier cases were there.', null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'space'), name='vector_build_once'), models.CheckConstraint(condition=models.Q(models.Q(('newest__isnull', True), ('oldest__isnull', True)), models.Q(('newest__isnull', False), ('oldest__isnull', False)), _connector='OR'), name='vector_build_ends')],
            },
        ),
        migrations.CreateModel(
            name='Verdict',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('review', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='verdicts', to='cases.review')),
                ('reviewer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='verdicts', to=settings.AUTH_USER_MODEL)),
                ('stage', models.CharField(choices=[('first', 'First'), ('final', 'Final')], max_length=6)),
                ('status', models.CharField(choices=[('counted', 'Counted'), ('late', 'Late'), ('second_opinion', 'Second opinion')], max_length=15)),
                ('answer', models.CharField(db_column='class', max_length=80, verbose_name='class')),
                ('note', models.TextField(blank=True)),
                ('saw_model', models.BooleanField()),
                ('shown', models.JSONField(default=list, help_text='What was on the screen.')),
                ('seconds', models.FloatField(help_text='From claim, or from reveal, to this answer.')),
                ('guideline', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.streamrevision')),
                ('claim_token', models.UUIDField(help_text='The claim it answers: a double submit is told by it.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('review', 'reviewer', 'stage'), name='verdict_once'), models.UniqueConstraint(condition=models.Q(('status', 'counted')), fields=('review', 'stage'), name='verdict_one_counted'), models.CheckConstraint(condition=models.Q(('stage__in', ['first', 'final'])), name='verdict_stage'), models.CheckConstraint(condition=models.Q(('status__in', ['counted', 'late', 'second_opinion'])), name='verdict_status'), models.CheckConstraint(condition=models.Q(('seconds__gte', 0)), name='verdict_seconds')],
            },
        ),
        migrations.CreateModel(
            name='Label',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='labels', to='registry.stream')),
                ('case', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='labels', to='cases.case')),
                ('sequence', models.PositiveIntegerField()),
                ('supersedes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='superseded_by', to='cases.label')),
                ('generation', models.PositiveIntegerField()),
                ('answer', models.CharField(db_column='class', max_length=80, null=True, verbose_name='class')),
                ('source', models.CharField(choices=[('review', 'Review'), ('audit', 'Audit'), ('outcome', 'Outcome'), ('import', 'Import'), ('demo', 'Demo'), ('withdrawn', 'Withdrawn')], max_length=10)),
                ('is_honest', models.BooleanField(help_text='Given before anything of the model was shown, on a case picked by the coin.')),
                ('inclusion_probability', models.FloatField(help_text='π; null for truths that came from outside.', null=True)),
                ('half', models.CharField(choices=[('train', 'Train'), ('certify', 'Certify')], max_length=8)),
                ('verdict', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='labels', to='cases.verdict')),
                ('prediction', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='labels', to='cases.prediction')),
                ('model_version', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.modelversion')),
                ('policy_version', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.policyversion')),
                ('actor', models.CharField(max_length=120)),
                ('event_id', models.UUIDField(help_text='The event that announces it; gives the feed its order.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('case', 'sequence'), name='label_sequence'), models.UniqueConstraint(condition=models.Q(('supersedes__isnull', True)), fields=('case',), name='label_one_first'), models.CheckConstraint(condition=models.Q(models.Q(('sequence', 1), ('supersedes__isnull', True)), models.Q(('sequence__gt', 1), ('supersedes__isnull', False)), _connector='OR'), name='label_chain'), models.CheckConstraint(condition=models.Q(models.Q(('answer__isnull', True), ('source', 'withdrawn')), models.Q(models.Q(('source', 'withdrawn'), _negated=True), ('answer__isnull', False)), _connector='OR'), name='label_class'), models.CheckConstraint(condition=models.Q(('source__in', ['outcome', 'import', 'withdrawn']), ('verdict__isnull', False), _connector='OR'), name='label_verdict'), models.CheckConstraint(condition=models.Q(('is_honest', False), models.Q(('inclusion_probability__gt', 0), ('inclusion_probability__isnull', False)), _connector='OR'), name='label_honest_probability')],
                'indexes': [models.Index(fields=['stream', 'id'], name='label_newest')],
            },
        ),
        migrations.CreateModel(
            name='Work',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('score', 'Score'), ('shadow', 'Shadow'), ('explain', 'Explain'), ('embed', 'Embed'), ('check_bundle', 'Check bundle'), ('train', 'Train'), ('export', 'Export'), ('relabel', 'Relabel'), ('replay', 'Replay')], max_length=12)),
                ('subject', models.CharField(help_text='The case, prediction or bundle to work on.', max_length=64)),
                ('generation', models.PositiveIntegerField(default=1)),
                ('priority', models.SmallIntegerField(default=0)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('run_after', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('is_dead', models.BooleanField(default=False)),
                ('last_error', models.TextField(blank=True, default='')),
                ('traceparent', models.CharField(blank=True, default='', max_length=55)),
                ('lease_token', models.UUIDField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'indexes': [models.Index(models.F('kind'), models.OrderBy(models.F('priority'), descending=True), models.F('id'), condition=models.Q(('is_dead', False), ('lease_token__isnull', True)), name='work_ready'), models.Index(condition=models.Q(('lease_token__isnull', False)), fields=['lease_until'], name='work_leased')],
                'constraints': [models.UniqueConstraint(fields=('kind', 'subject', 'generation'), name='work_once'), models.CheckConstraint(condition=models.Q(models.Q(('lease_token__isnull', True), ('lease_until__isnull', True)), models.Q(('lease_token__isnull', False), ('lease_until__isnull', False)), _connector='OR'), name='work_lease')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='explanation',
            trigger=pgtrigger.compiler.Trigger(name='explanation_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='6cddb281ea5412e507b91ca86cd9745a58d78e13', operation='UPDATE OR DELETE', pgid='pgtrigger_explanation_append_only_3c336', table='cases_explanation', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='decision',
            trigger=pgtrigger.compiler.Trigger(name='decision_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='b0f1744be04d560107ae4b5f822295f14ece02cd', operation='UPDATE OR DELETE', pgid='pgtrigger_decision_append_only_35d2d', table='cases_decision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='verdict',
            trigger=pgtrigger.compiler.Trigger(name='verdict_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='5a2ecb5cc8003be3a72186b85183416e6cd1edc5', operation='UPDATE OR DELETE', pgid='pgtrigger_verdict_append_only_7a86b', table='cases_verdict', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='label',
            trigger=pgtrigger.compiler.Trigger(name='label_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='1f79875793021a447d1b562c427fc5a88eee9a4f', operation='UPDATE OR DELETE', pgid='pgtrigger_label_append_only_29b53', table='cases_label', when='BEFORE')),
        ),
        # An automatic decision needs a prediction that the gate routed `auto`: a composite foreign key says so.
        migrations.RunSQL(
            sql="""
            ALTER TABLE cases_decision ADD CONSTRAINT decision_prediction_route
            FOREIGN KEY (prediction_id, prediction_route) REFERENCES cases_prediction (id, route)
            DEFERRABLE INITIALLY DEFERRED
            """,
            reverse_sql="ALTER TABLE cases_decision DROP CONSTRAINT decision_prediction_route",
        ),
    ]
