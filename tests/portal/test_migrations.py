"""Old and new code tolerate one migration apart; see tests.portal.one_step_apart."""

from typing import Any

import pytest
from django.db import models
from django.db.migrations import (
    AddField,
    AlterField,
    CreateModel,
    RemoveField,
    RenameField,
    RunPython,
    SeparateDatabaseAndState,
)
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from tests.portal.one_step_apart import complaints

pytestmark = pytest.mark.alike

# What was released before upgrades could roll: whoever has an older release stops, and starts anew.
BASELINE = {
    "portal": "0004_app_records",
    "bots": "0009_feed_by_person_and_time",
    "ddio_api": "0001_call_log",
}
LOADER = MigrationLoader(None)
NEW = sorted(key for key in LOADER.graph.nodes if key[0] in BASELINE and key[1] > BASELINE[key[0]])


def told(*operations: Operation) -> list[str]:
    """What is said of these steps for an app with one model that is in use."""
    before = ProjectState()
    fields: list[tuple[str, Any]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=20)),
        ("note", models.CharField(max_length=20, null=True)),
    ]
    CreateModel("Person", fields).state_forwards("bots", before)
    return list(complaints("bots", operations, before))


def told_of(app: str, name: str) -> list[str]:
    """What is said of one of our migrations."""
    migration = LOADER.get_migration(app, name)
    before = LOADER.project_state((app, name), at_end=False)
    return list(complaints(app, migration.operations, before))


def test_the_baseline_is_there():
    assert [key for key in BASELINE.items() if key not in LOADER.graph.nodes] == []


def test_the_release_before_runs_beside_each_new_migration():
    found = [f"{'.'.join(key)}: {what}" for key in NEW for what in told_of(*key)]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    "field",
    [
        models.TextField(null=True),
        models.IntegerField(db_default=0),
        models.ManyToManyField("bots.Person"),
    ],
    ids=["null", "db_default", "many-to-many"],
)
def test_it_takes_a_new_column_that_may_be_left_out(field: Any):
    assert told(AddField("person", "new", field)) == []


def test_it_refuses_a_new_column_that_old_code_would_have_to_fill():
    [found] = told(AddField("person", "new", models.IntegerField(default=0)))
    assert "db_default" in found


def test_it_takes_whatever_belongs_to_a_new_table():
    table = CreateModel("News", [("id", models.BigAutoField(primary_key=True))])
    assert told(table, AddField("news", "text", models.TextField())) == []


@pytest.mark.parametrize(
    "step",
    [RemoveField("person", "name"), RenameField("person", "name", "title")],
    ids=["removed", "renamed"],
)
def test_it_refuses_that_a_column_goes_in_one_step(step: Operation):
    [found] = told(step)
    assert "old code" in found


def test_it_takes_a_column_out_of_the_state_alone():
    assert told(SeparateDatabaseAndState(state_operations=[RemoveField("person", "note")])) == []


def test_it_refuses_to_forget_a_column_that_must_be_filled():
    [found] = told(SeparateDatabaseAndState(state_operations=[RemoveField("person", "name")]))
    assert "new code" in found


@pytest.mark.parametrize(
    "field",
    [models.CharField(max_length=20), models.CharField(max_length=9, null=True)],
    ids=["not-null", "shorter"],
)
def test_it_refuses_a_column_that_takes_less_than_before(field: Any):
    [found] = told(AlterField("person", "note", field))
    assert "old code still writes" in found


def test_it_takes_a_column_that_takes_more_than_before():
    assert told(AlterField("person", "name", models.CharField(max_length=40, null=True))) == []


def test_it_refuses_data_and_schema_in_one_migration():
    added = AddField("person", "new", models.TextField(null=True))
    [found] = told(added, RunPython(RunPython.noop))
    assert "data and schema" in found
