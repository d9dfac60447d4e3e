"""What a migration may do while the code of the release before it still runs beside it.

In a rolling upgrade the schema goes first: until the last process is restarted, old code reads and
writes it. So a step may add what old code need not know, and must leave what it knows. Whatever is
to go takes two steps: first the code stops to use it (the state forgets the field, the column
stays), and a later migration drops it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.fields import NOT_PROVIDED

TWO_STEPS = (
    "old code still uses it; let the state forget it now (SeparateDatabaseAndState) and drop the"
    " column in a later migration"
)
GOING = (ops.RemoveField, ops.DeleteModel)
RENAMING = (ops.RenameField, ops.RenameModel, ops.AlterModelTable)


def complaints(app: str, operations: Sequence[Operation], before: ProjectState) -> Iterator[str]:
    """Why old code would break on these steps; each with what to do instead."""
    made: set[str] = set()
    has_schema = any(not isinstance(step, ops.RunPython) for step in operations)
    if has_schema and any(isinstance(step, ops.RunPython) for step in operations):
        yield "data and schema in one migration: make it two, or one fault rolls back both"
    state = before.clone()
    for step in operations:
        yield from _complaints(app, step, state, made)
        if isinstance(step, ops.CreateModel):
            made.add(step.name_lower)
        step.state_forwards(app, state)


def _complaints(app: str, step: Operation, state: ProjectState, made: set[str]) -> Iterator[str]:
    model = getattr(step, "model_name_lower", getattr(step, "name_lower", ""))
    if model in made:
        return  # old code does not know the table
    for kind, complain in RULES.items():
        if isinstance(step, kind):
            yield from complain(app, step, state)


def _adding(_app: str, step: ops.AddField, _state: ProjectState) -> Iterator[str]:
    if not (step.field.many_to_many or _may_be_left_out(step.field)):
        what = "old code inserts rows without it; give it a db_default, or null=True"
        yield f"{step.model_name}.{step.name} is added: {what}"


def _going(_app: str, step: Any, _state: ProjectState) -> Iterator[str]:
    yield f"{step.describe()}: {TWO_STEPS}"


def _renaming(_app: str, step: Any, _state: ProjectState) -> Iterator[str]:
    what = "old code knows the old name; add the new one beside it, or keep it by db_column"
    yield f"{step.describe()}: {what}"


def _altering(app: str, step: ops.AlterField, state: ProjectState) -> Iterator[str]:
    old = state.models[app, step.model_name_lower].fields[step.name]
    where = f"{step.model_name}.{step.name} is altered"
    if old.null and not step.field.null:
        yield f"{where}: old code still writes NULL; forbid it in a later migration"
    if old.db_column != step.field.db_column:
        yield f"{where}: old code knows the column's old name; add a column instead"
    if _is_shorter(step.field, old):
        yield f"{where}: old code still writes the longer values; shorten it in a later migration"


def _separated(app: str, step: ops.SeparateDatabaseAndState, state: ProjectState) -> Iterator[str]:
    for forgotten in step.state_operations:
        if isinstance(forgotten, ops.RemoveField):
            field = state.models[app, forgotten.model_name_lower].fields[forgotten.name]
            if not _may_be_left_out(field):
                what = "new code inserts rows without it; first give it a db_default, or null=True"
                yield f"{forgotten.model_name}.{forgotten.name} is forgotten: {what}"
    for done in step.database_operations:
        yield from _complaints(app, done, state, set())


def _may_be_left_out(field: Any) -> bool:
    return bool(field.null) or field.db_default is not NOT_PROVIDED


def _is_shorter(new: Any, old: Any) -> bool:
    """Also where a text without a limit gets one."""
    if new.max_length is None:
        return False
    return old.max_length is None or bool(new.max_length < old.max_length)


RULES: dict[Any, Callable[[str, Any, ProjectState], Iterator[str]]] = {
    ops.AddField: _adding,
    ops.AlterField: _altering,
    ops.SeparateDatabaseAndState: _separated,
    **dict.fromkeys(GOING, _going),
    **dict.fromkeys(RENAMING, _renaming),
}
