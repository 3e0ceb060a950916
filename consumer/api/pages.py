"""What the console's pages and the API need of each other: the pages stand above, and are handed to the gateway."""

from dataclasses import dataclass
from typing import Protocol

from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from consumer.api.approvals import ApprovalEndpoints
from consumer.api.assets import AssetEndpoints
from consumer.api.errors import ApiError
from consumer.api.healing import HealingEndpoints
from consumer.api.incidents import IncidentEndpoints
from consumer.api.orders import UserOrders
from consumer.api.pauses import PauseEndpoints
from consumer.api.sign_in import SignIn
from consumer.api.spend import SpendEndpoints
from consumer.api.stories import StoryEndpoints
from consumer.api.streams import StreamEndpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParts:
    """What pages read and decide by: the same that the API's endpoints use."""

    healing: HealingEndpoints
    stories: StoryEndpoints
    approvals: ApprovalEndpoints
    pauses: PauseEndpoints
    orders: UserOrders
    streams: StreamEndpoints
    incidents: IncidentEndpoints
    spend: SpendEndpoints
    assets: AssetEndpoints
    sign_in: SignIn


class Pages(Protocol):
    """Pages behind the gateway, which signs in by their session, limits them, and has them tell an error."""

    def owns(self, path: str) -> bool:
        """Return whether a path is theirs."""
        ...

    def token(self, scope: Scope) -> str:
        """Return the token of a request's session; empty without one."""
        ...

    def refuse(self, error: ApiError) -> Response:
        """Return the page of an error."""
        ...

    def application(self) -> ASGIApp:
        """Create what answers their paths."""
        ...
