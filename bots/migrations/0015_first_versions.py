from typing import Any

from django.db import migrations
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce

VERSIONED = ["model", "system_prompt", "temperature", "context_tokens", "answer_tokens"]
AT_ONCE = 500


def make_first_versions(apps: Any, _editor: Any) -> None:
    """What is live in each number is its version 1, of when it was last edited and by whom."""
    Robot = apps.get_model("bots", "Robot")
    RobotVersion = apps.get_model("bots", "RobotVersion")
    edits = apps.get_model("portal", "AuditEntry").objects.filter(
        number=OuterRef("pk"), action="robot.edit"
    )
    newest = edits.order_by("-pk")
    without = Robot.objects.exclude(pk__in=RobotVersion.objects.values("number"))
    dated = without.annotate(
        at=Coalesce(Subquery(newest.values("at")[:1]), F("number__created_at")),
        by=Subquery(newest.values("actor")[:1]),
    )
    of_robots = list(without.values_list("pk", flat=True))
    for start in range(0, len(of_robots), AT_ONCE):
        some = dated.filter(pk__in=of_robots[start : start + AT_ONCE])
        RobotVersion.objects.bulk_create([_first_version(RobotVersion, robot) for robot in some])


def _first_version(model: Any, robot: Any) -> Any:
    told = {name: getattr(robot, name) for name in VERSIONED}
    when = {"published_at": robot.at, "published_by_id": robot.by}
    return model(number_id=robot.pk, no=1, **told, **when)


class Migration(migrations.Migration):
    dependencies = [("bots", "0014_robot_versions")]

    operations = [migrations.RunPython(make_first_versions, migrations.RunPython.noop)]
