"""docs/open-interface.md says of the code what is so."""

import re

import pytest
from django.urls import resolve

from bots.faults import FAULTS
from ddio_api.errors import TABLE
from portal.environment import BASE_DIR

TEXT = (BASE_DIR / "docs" / "open-interface.md").read_text(encoding="utf-8")
CODES = set(map(int, re.findall(r"(?<![\d,.])-?\d+(?![\d,]\d)", TEXT)))
PATHS = sorted(
    set(re.findall(r"(/(?:platform/api2|oauth2|cgi-bin|v1|\.well-known)/[^`\s?;:…]*)`?", TEXT))
)


@pytest.mark.parametrize("code", [*TABLE, *FAULTS])
def test_it_has_every_code(code):
    assert code in CODES


def test_it_has_the_status_of_every_code():
    rows = re.findall(r"^\| ([-\d, ]+) \| ([\d, ]+) \|", TEXT, re.MULTILINE)
    told = {}
    for codes, statuses in rows:
        given = statuses.split(", ")
        for place, code in enumerate(codes.split(", ")):
            told.setdefault(int(code), set()).add(int(given[min(place, len(given) - 1)]))
    assert {code for code in TABLE if TABLE[code].status not in told.get(code, ())} == set()


@pytest.mark.parametrize("path", PATHS)
def test_its_paths_lead_somewhere(path):
    found = resolve(path.replace("{messageID}", "msg_1"))
    assert found.url_name != "ddio-unknown"
