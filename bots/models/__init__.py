from bots.models.chat import Channel, Conversation, Message, Person, Rating, Status
from bots.models.feed import FeedCounter, FeedEntry, IdempotencyKey, Kind
from bots.models.keys import ApiKey, KeyStatus, KeyVerdict
from bots.models.robots import Robot

__all__ = [
    "ApiKey",
    "Channel",
    "Conversation",
    "FeedCounter",
    "FeedEntry",
    "IdempotencyKey",
    "KeyStatus",
    "KeyVerdict",
    "Kind",
    "Message",
    "Person",
    "Rating",
    "Robot",
    "Status",
]
