"""The icons: each that a page shows is in the sprite, and each in the sprite is shown somewhere."""

import re

import pytest

from bots.templatetags.answers import RATING_LOOKS, STATUS_LOOKS
from bots.templatetags.spending import STATE_LOOKS as ENTRY_LOOKS
from bots.templatetags.verdicts import KEY_LOOKS
from ddio_api.templatetags.calls import OUTCOME_LOOKS
from portal.environment import BASE_DIR
from portal.templatetags.shell import STATE_LOOKS

pytestmark = pytest.mark.alike

SPRITE = BASE_DIR / "static" / "vendor" / "tabler-icons" / "sprite.svg"
DRAWN = set(re.findall(r'<symbol id="([^"]+)"', SPRITE.read_text()))
TEMPLATES = "\n".join(path.read_text() for path in sorted((BASE_DIR / "templates").rglob("*.html")))
LOOKS = [
    *STATE_LOOKS.values(),
    *KEY_LOOKS.values(),
    *ENTRY_LOOKS.values(),
    *STATUS_LOOKS.values(),
    *RATING_LOOKS.values(),
    *OUTCOME_LOOKS.values(),
]
NAMED = re.compile(r'{% icon "([^"]+)"|icon_name="([^"]+)"|{% badge \w+ "\w+" "([^"]+)"')
SHOWN_BY_TEMPLATES = {name for found in NAMED.findall(TEMPLATES) for name in found if name}
SHOWN = SHOWN_BY_TEMPLATES | {icon_name for _, icon_name in LOOKS}


def sources() -> str:
    """Where a name may stand as a word of its own, for an icon that is chosen on the way."""
    found = [path for app in ("portal", "bots") for path in sorted((BASE_DIR / app).rglob("*.py"))]
    return TEMPLATES + "\n".join(path.read_text() for path in found)


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_an_icon_that_is_shown_is_in_the_sprite(name):
    assert name in DRAWN


def test_the_sprite_holds_no_icon_that_nobody_shows():
    named = set(re.findall(r"""["']([a-z0-9-]+)["']""", sources()))
    assert named & DRAWN == DRAWN
