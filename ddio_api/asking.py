"""Handing a question over, and what the refusals of `bots` are called in the table."""

from django.utils.translation import gettext as _

from bots import backlog, chat, quotas, trials
from bots.models import Message
from ddio_api.errors import DdioError, only_trials_in_this_state
from portal.models import ServiceNumber


def terms(number: ServiceNumber, open_id: str, channel: str) -> trials.Terms:
    """`trials.terms`; raises 48001 where the number answers trials alone."""
    try:
        return trials.terms(number, open_id, channel)
    except trials.OnlyTrials as error:
        raise only_trials_in_this_state(number.get_state_display()) from error


def ask(question: chat.Question, *narrower: quotas.Limit) -> Message:
    """`quotas.ask`; raises 40003, 40404, 40900, 45009, 45011 or -1 (503) where that refuses."""
    try:
        return quotas.ask(question, *narrower)
    except chat.UnknownPerson as error:
        raise DdioError(40003) from error
    except chat.UnknownConversation as error:
        raise DdioError(40404) from error
    except chat.TooManyPending as error:
        raise DdioError(45011, retry_after=1) from error
    except chat.IdempotencyConflict as error:
        raise DdioError(40900) from error
    except quotas.QuotaUsedUp as error:
        raise DdioError(45009, retry_after=error.retry_after) from error
    except backlog.TooLong as error:
        sentence = _("So many questions wait that this one would wait too long. Ask again later.")
        raise DdioError(-1, sentence, status=503, retry_after=error.retry_after) from error
