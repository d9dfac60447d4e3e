"""The people who talk with a number, under the names that its system knows."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bots import erasing
from bots.chat import UNSTORABLE
from bots.models import Person
from ddio_api.base import DdioView
from ddio_api.docs import people as docs
from ddio_api.errors import DdioError


class PersonView(DdioView):
    """One person, by openID."""

    @extend_schema(**docs.ERASE)
    def delete(self, request: Request, open_id: str) -> Response:
        self.require_approved()
        person = person_of(self, open_id)
        erased = erasing.erase(person)
        result = {
            "openID": person.open_id,
            "conversations": erased.conversations,
            "messages": erased.messages,
        }
        return self.reply(result)


def person_of(view: DdioView, open_id: str) -> Person:
    """The number's own person of this name; raises 40003.

    What PostgreSQL would refuse to look for is nobody's name.
    """
    people = Person.objects.filter(number=view.number, open_id=open_id)
    found = None if UNSTORABLE.search(open_id) else people.first()
    if found is None:
        raise DdioError(40003)
    return found
