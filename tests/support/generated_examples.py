"""What Hypothesis may do in every test, unless the test says otherwise.

It judges no time by the clock: on a machine that is busy with something else, an example takes as long as that lasts.
"""

from hypothesis import HealthCheck, settings


def judge_no_example_by_its_time() -> None:
    """Load a profile without a deadline and without the check that drawing an example is fast."""
    settings.register_profile(
        "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
    )
    settings.load_profile("any machine")
