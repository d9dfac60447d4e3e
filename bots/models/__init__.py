from bots.models.audience import Audience, Follower, News
from bots.models.chat import Channel, Conversation, Message, Person, Rating, Status
from bots.models.feed import FeedCounter, FeedEntry, IdempotencyKey, Kind
from bots.models.key_status import KeyStatus
from bots.models.keys import ApiKey, KeyVerdict
from bots.models.ledger import Budget, EntryState, LedgerDay, LedgerEntry, Price
from bots.models.prompts import Prompt
from bots.models.robots import Configuration, Robot, RobotDraft, RobotVersion
from bots.models.safety import BlockedAnswer, BlockedWords, Place, Source

__all__ = [
    "ApiKey",
    "Audience",
    "BlockedAnswer",
    "BlockedWords",
    "Budget",
    "Channel",
    "Configuration",
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
    "Place",
    "Price",
    "Prompt",
    "Rating",
    "Robot",
    "RobotDraft",
    "RobotVersion",
    "Source",
    "Status",
]
