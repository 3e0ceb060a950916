"""The pages, each for somebody's question; all of them in `ALL`."""

from typing import Final

from dashboards.pages.failure_types import FAILURE_TYPES
from dashboards.pages.money import MONEY
from dashboards.pages.overview import OVERVIEW
from dashboards.pages.pipeline import PIPELINE
from dashboards.pages.strategies import STRATEGIES
from dashboards.pages.supervision import SUPERVISION
from dashboards.panel import Page

ALL: Final[tuple[Page, ...]] = (OVERVIEW, PIPELINE, STRATEGIES, MONEY, SUPERVISION, *FAILURE_TYPES)
