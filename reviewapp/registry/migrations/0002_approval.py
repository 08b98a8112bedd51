import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='policyversion',
            name='back_test_id',
            field=models.UUIDField(blank=True, help_text='The back-test that it was proposed with.', null=True),
        ),
        migrations.AddField(
            model_name='policyversion',
            name='restores',
            field=models.ForeignKey(blank=True, db_index=False, help_text='The earlier version whose body a rollback put back in force.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.policyversion'),
        ),
        migrations.AddField(
            model_name='policyversion',
            name='sent_back_because',
            field=models.CharField(blank=True, default='', help_text='Why it was sent back last; kept until it is proposed again.', max_length=500),
        ),
        migrations.AddField(
            model_name='policyversion',
            name='unapproved_because',
            field=models.CharField(blank=True, choices=[('sole_owner', 'Nobody else owns the policies of the stream'), ('rolled_back', 'Restores what was in force before'), ('system', 'A command of the installation put it in force'), ('earlier', 'Put in force before approval was asked for')], default='', max_length=12),
        ),
        migrations.AddField(
            model_name='policyversion',
            name='untested_because',
            field=models.CharField(blank=True, default='', help_text='Why it was proposed without a back-test.', max_length=500),
        ),
        migrations.AlterField(
            model_name='policyversion',
            name='body',
            field=models.JSONField(help_text='{"promises": {class: {"target_error": 0.02, "confidence": 0.95}}, "thresholds": {class: 0.97}}, and what docs/reference/policies.md lists.'),
        ),
        migrations.RunSQL(
            sql="UPDATE registry_policyversion SET unapproved_because = 'earlier' "
                "WHERE state IN ('active', 'retired') AND approved_by IS NULL",
            reverse_sql=migrations.RunSQL.noop,
        ),
        migrations.AddConstraint(
            model_name='policyversion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['proposed', 'approved']), _negated=True), models.Q(('back_test_id__isnull', False), ('proposed_by__isnull', False)), models.Q(('proposed_by__isnull', False), models.Q(('untested_because', ''), _negated=True)), _connector='OR'), name='policy_version_tested'),
        ),
        migrations.AddConstraint(
            model_name='policyversion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['approved', 'active', 'retired']), _negated=True), ('approved_by__isnull', False), models.Q(('state__in', ['active', 'retired']), ('unapproved_because__in', ['sole_owner', 'rolled_back', 'system', 'earlier'])), _connector='OR'), name='policy_version_second_person'),
        ),
    ]
