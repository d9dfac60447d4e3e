"""The call log of real processes: who left is told, and a stopping process loses no entry."""

import json

import pytest
import requests

from tests.platform import running_platform

pytestmark = pytest.mark.processes

READ = """
import json
from ddio_api.models import Call
facts = Call.objects.order_by("pk").values_list("operation", "status", "outcome", "number__app_id")
print(json.dumps(list(facts)))
"""


def test_what_was_called_is_in_the_log_when_the_platform_has_stopped(tmp_path):
    with running_platform(tmp_path, LOCAL_MODEL="0") as platform:
        provisioned = platform.provision()
        client = platform.client(provisioned)
        with pytest.raises(requests.Timeout):
            client.session.get(f"{client.base}/chat/feedback", params={"wait": 30}, timeout=0.5)
        for _call in range(20):
            client.session.get(f"{client.base}/chat/feedback", timeout=5)
        platform.stop()
        printed = platform.manage("shell", "-c", READ).stdout
    calls = json.loads(printed.strip().splitlines()[-1])
    feed = ["ddio-feed", 200, "ok", provisioned["appId"]]
    left = ["ddio-feed", 499, "left", provisioned["appId"]]
    assert [calls.count(facts) for facts in (feed, left)] == [20, 1]
    assert [operation for operation, *_facts in calls].count("ddio-token") == 1
