"""What service numbers are for: the one list of categories."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Category(models.TextChoices):
    """Stored by its value in a column that takes any word: the list changes without a migration."""

    CUSTOMER_SERVICE = "customer_service", _("Customer service")
    OFFICE = "office", _("Office and administration")
    IT_HELP = "it_help", _("IT help")
    KNOWLEDGE = "knowledge", _("Knowledge and documents")
    EDUCATION = "education", _("Education and training")
    OTHER = "other", _("Other")


def category_label(category: str) -> str:
    """In the reader's language; a word that is not in the list stands for itself."""
    return str(dict(Category.choices).get(category, category))
