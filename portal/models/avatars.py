"""Pictures of service numbers, in the database: every machine has them, and every backup."""

from django.db import models


class Avatar(models.Model):
    """A picture as we encoded it ourselves, under the SHA-256 of its bytes."""

    digest = models.CharField(max_length=64, primary_key=True)
    image = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.digest
