from bots.models.audience import Audience, Follower, News
from bots.models.chat import Channel, Conversation, Message, Person, Rating, Status
from bots.models.feed import FeedCounter, FeedEntry, IdempotencyKey, Kind
from bots.models.keys import ApiKey, KeyStatus, KeyVerdict
from bots.models.ledger import Budget, EntryState, LedgerDay, LedgerEntry, Price
from bots.models.prompts import Prompt
from bots.models.robots import Robot

__all__ = [
    "ApiKey",
    "Audience",
    "Budget",
    "Channel",
    "Conversation",
    "EntryState",
    "FeedCounter",
    "FeedEntry",
    "Follower",
    "IdempotencyKey",
    "KeyStatus",
    "KeyVerdict",
    "Kind",
    "LedgerDay",
    "LedgerEntry",
    "Message",
    "News",
    "Person",
    "Price",
    "Prompt",
    "Rating",
    "Robot",
    "Status",
]
