"""A feed of so many answers, made by the database itself."""

from django.db import connection, transaction

from bots.models import Person
from portal.models import ServiceNumber

PEOPLE = 500
# One in fifty failed and none was cancelled; one in twenty is liked, and none disliked.
_STATEMENTS = [
    """
    INSERT INTO bots_conversation
        (id, number_id, person_id, channel, title, started_at, last_at, length)
    SELECT 'bench-' || id, number_id, id, 'ddio', '', now(), now(), {count}
    FROM bots_person WHERE number_id = {number}
    """,
    """
    INSERT INTO bots_message (id, number_id, person_id, conversation_id, position, channel,
        question, answer, model, status, error_code, rating, comment, asked_at, answered_at,
        prompt_tokens, completion_tokens, seq, attempt, claimed_by, due_at)
    SELECT 'msg_' || {number} || lpad(i::text, 22, '0'), {number}, person,
        'bench-' || person, i, 'ddio', 'Question ' || i || repeat(' and what then', 4),
        CASE WHEN i % 50 > 0 THEN 'Answer ' || i || repeat(' is what one says of it', 12) END,
        'echo', CASE WHEN i % 50 > 0 THEN 'done' ELSE 'failed' END,
        CASE WHEN i % 50 = 0 THEN 71006 END, CASE WHEN i % 20 = 1 THEN 'like' ELSE '' END, '',
        moment - interval '1.234 seconds', moment, 120, 80, i, 1, '', moment
    FROM (SELECT i, {first} + i % {people} AS person,
          now() - interval '1 second' * ({count} - i) AS moment
          FROM generate_series(1, {count}) AS i) AS series
    """,
    """
    INSERT INTO bots_feedentry (number_id, seq, kind, message_id, person_id, at, rating, comment)
    SELECT number_id, seq, 'answer', id, person_id, answered_at, '', ''
    FROM bots_message WHERE number_id = {number} ORDER BY seq
    """,
    "INSERT INTO bots_feedcounter (number_id, last) VALUES ({number}, {count})",
]


def fill(number: ServiceNumber, count: int) -> None:
    """Give a number that has no feed yet one of `count` answers."""
    people = Person.objects.bulk_create(
        [Person(number=number, open_id=f"person-{index}") for index in range(PEOPLE)]
    )
    numbers = {"number": number.pk, "count": count, "people": PEOPLE, "first": people[0].pk}
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _STATEMENTS:
            cursor.execute(statement.format(**numbers))


def settle_down() -> None:
    """What autovacuum would have done by and by."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
