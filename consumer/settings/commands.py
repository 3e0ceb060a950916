"""Settings of supervision by command: whose commands count, and for how long a signature does."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from consumer.settings.addresses import check_key_url
from consumer.settings.sections import Seconds, Section


class CommandSettings(Section):
    """Whose commands on `maos.heal-commands` count. Without a key file, the topic is not read."""

    keys_file: Path | None = None
    """YAML that lists the keys, and what each may ask for; read again when it has changed."""
    jwks_url: Annotated[str | None, AfterValidator(check_key_url)] = None
    """JWK set with the public keys of those entries that have none themselves. It widens nothing: what a key may ask
    for stands in the file alone."""
    audience: Annotated[str, Field(min_length=1, max_length=200)] = "self-healing-workflows"
    """Required `aud` claim: a command for another deployment is not one for this."""
    group_id: Annotated[str, Field(min_length=1)] = "self-healing-workflows.commands"
    """Consumer group of its own: neither load nor poison of one topic reaches the other's offsets."""
    longest: Seconds = timedelta(minutes=15)
    """Longest validity of a signature, `exp` less `iat`: after it a copy of the record is worth nothing."""
    kept: Seconds = timedelta(days=30)
    """How long a command's id is remembered. Above `longest`, or a copy could count as new."""
    unsigned: bool = False
    """For development: commands without a signature count as anybody's, for everything. Told at each start."""

    @property
    def are_read(self) -> bool:
        """Whether anybody may command."""
        return self.keys_file is not None or self.unsigned
