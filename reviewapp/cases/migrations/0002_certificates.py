from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('cases', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='prediction',
            name='certificate_id',
            field=models.UUIDField(help_text='Of the certificate that the threshold comes from.', null=True),
        ),
        migrations.RemoveConstraint(
            model_name='recall',
            name='recall_one_under_way',
        ),
        migrations.AddField(
            model_name='recall',
            name='answer',
            field=models.CharField(blank=True, db_column='class', default='', max_length=80, verbose_name='class'),
        ),
        migrations.AddField(
            model_name='recall',
            name='segment',
            field=models.CharField(blank=True, default='', max_length=120),
        ),
        migrations.AddField(
            model_name='recall',
            name='segment_column',
            field=models.CharField(blank=True, default='', max_length=120),
        ),
        migrations.AddConstraint(
            model_name='recall',
            constraint=models.UniqueConstraint(condition=models.Q(('finished_at__isnull', True)), fields=('model_version', 'answer', 'segment'), name='recall_one_under_way'),
        ),
        migrations.AddConstraint(
            model_name='recall',
            constraint=models.CheckConstraint(condition=models.Q(('segment', ''), models.Q(models.Q(('answer', ''), _negated=True), models.Q(('segment_column', ''), _negated=True)), _connector='OR'), name='recall_segment_of_class'),
        ),
    ]
