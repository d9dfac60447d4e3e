"""Plans for a batch of messages: each with its own number's robot and usable keys."""

import pytest
from django.utils import timezone

from bots import claims, plans, vault
from bots.models import ApiKey, KeyStatus, Message, Robot
from tests import factories

pytestmark = pytest.mark.django_db


def planned(*messages: Message) -> list[plans.Plan]:
    return plans.make_all(claims.claim_all([message.pk for message in messages], "w"))


def test_the_keys_are_those_that_are_usable_in_their_order(number):
    for index, status in enumerate([*KeyStatus.values, *KeyStatus.values]):
        factories.key(number, "https://x.example/v1", status=status, priority=index)
    ApiKey.objects.filter(status=KeyStatus.VALID, priority=1).update(removed_at=timezone.now())
    [plan] = planned(factories.message(number))
    assert [key.pk for key, _ in plan.keys] == [key.pk for key in number.api_keys.usable()]


@pytest.mark.parametrize("status", [KeyStatus.VALID, KeyStatus.INVALID])
def test_the_simulator_answers_only_where_nothing_else_is_bound(number, status):
    simulator = factories.key(number, "", is_sandbox=True)
    [alone] = planned(factories.message(number, open_id="one"))
    factories.key(number, "https://x.example/v1", status=status)
    [beside] = planned(factories.message(number, open_id="two"))
    usable = [key.pk for key in number.api_keys.usable()]
    assert [key.pk for key, _ in alone.keys] == [simulator.pk]
    assert [key.pk for key, _ in beside.keys] == usable
    assert simulator.pk not in usable


def test_a_key_is_as_its_row_says(number):
    made = factories.key(number, "https://x.example/v1", status=KeyStatus.VALID)
    ApiKey.objects.update(checked_at=timezone.now())
    [plan] = planned(factories.message(number))
    [(key, endpoint)] = plan.keys
    stored = ApiKey.objects.get(pk=made.pk)
    assert (key.status, key.checked_at, key.is_local) == ("valid", stored.checked_at, False)
    assert (endpoint.base_url, endpoint.model) == ("https://x.example/v1", number.robot.model)


def test_each_message_gets_its_own_numbers_robot(number, charlies_number):
    Robot.objects.filter(number=number).update(model="one")
    Robot.objects.filter(number=charlies_number).update(model="another")
    for made in (number, charlies_number):
        factories.key(made, "https://x.example/v1")
    asked = [factories.message(made) for made in (number, charlies_number, number)]
    of_number = {number.pk: "one", charlies_number.pk: "another"}
    for plan in planned(*asked):
        assert plan.keys[0][1].model == of_number[plan.message.number_id]


def test_without_a_robot_there_are_no_keys(number):
    factories.key(number, "https://x.example/v1")
    Robot.objects.all().delete()
    [plan] = planned(factories.message(number))
    assert plan.keys == []


def test_a_key_that_does_not_open_is_left_out(number):
    broken = factories.key(number, "https://x.example/v1")
    good = factories.key(number, "https://x.example/v1")
    ApiKey.objects.filter(pk=broken.pk).update(sealed="nonsense")
    with pytest.raises(vault.VaultError):
        ApiKey.objects.get(pk=broken.pk).open()
    [plan] = planned(factories.message(number))
    assert [key.pk for key, _ in plan.keys] == [good.pk]
