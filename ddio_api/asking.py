"""Handing a question over, and what the refusals of `bots` are called in the table."""

from bots import chat, quotas
from bots.models import Message
from ddio_api.errors import DdioError


def ask(question: chat.Question) -> Message:
    """`quotas.ask`; raises 40003, 40404, 40900, 45009 or 45011 where that refuses."""
    try:
        return quotas.ask(question)
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
