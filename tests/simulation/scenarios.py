"""What hypothesis may choose in a simulation, and how many times; on failure it prints the scenario with its seed."""

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from schemas.names import Effect
from tests.support.required_tools import in_ci
from tests.support.simulation.scenario import Event, Fault, Scenario, Wrong
from tests.support.simulation.world import Act

EXAMPLES: Final = int(os.environ.get("SHW_SIMULATION_EXAMPLES", "60"))
"""For a long run: `SHW_SIMULATION_EXAMPLES=5000 pytest tests/simulation --timeout 0`."""

SHRUNK: Final = os.environ.get("SHW_SIMULATION_SHRINK") == "1"
"""Whether a scenario that fails is made smaller, for up to five minutes; otherwise it is told as it was found."""

PROFILE: Final = settings(
    max_examples=EXAMPLES,
    phases=[phase for phase in Phase if SHRUNK or phase not in (Phase.shrink, Phase.explain)],
    # CI looks at the same scenarios each time, so that a change is told from luck; everybody else looks at new ones.
    derandomize=in_ci(),
    database=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _scenarios() -> st.SearchStrategy[Scenario]:
    # Close together in time, so that one thing falls into the middle of another.
    events = st.builds(
        Event,
        name=st.integers(min_value=0, max_value=11),
        at=st.integers(min_value=0, max_value=250).map(_tenths),
        partition=st.integers(min_value=0, max_value=1),
        org=st.sampled_from([0, 0, 0, 1, 1, 2]),
        scope=st.integers(min_value=0, max_value=3),
        effect=st.sampled_from(Effect),
        acts=st.lists(st.sampled_from(Act), min_size=1, max_size=3).map(tuple),
        dependency=st.sampled_from([None, None, 0, 1]),
        fault_digest=st.booleans(),
        poison=st.sampled_from([False] * 9 + [True]),
        asked=st.sampled_from([False, False, True]),
        run=st.sampled_from([None, None, 0, 1]),
    )
    faults = st.builds(
        Fault,
        at=st.integers(min_value=20, max_value=350).map(_tenths),
        wrong=st.sampled_from(Wrong),
        machine=st.integers(min_value=0, max_value=5),
        lasts=st.sampled_from([0.5, 3.0, 9.0, 14.0, 25.0, 60.0]),
    )
    return st.builds(
        Scenario,
        seed=st.integers(min_value=0, max_value=2**32 - 1),
        machines=st.integers(min_value=1, max_value=3),
        partitions=st.integers(min_value=1, max_value=2),
        events=st.lists(events, min_size=4, max_size=14).map(tuple),
        faults=st.lists(faults, min_size=1, max_size=8).map(tuple),
    )


def _tenths(number: int) -> float:
    return number / 10


SCENARIOS: Final = _scenarios()
