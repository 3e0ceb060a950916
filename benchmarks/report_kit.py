"""`python -m benchmarks.report_kit`: what `shw_report` costs a call that succeeds; the best of some rounds."""

import sys
from pathlib import Path
from timeit import repeat

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))  # the kit is a distribution of its own

import shw_report

NUMBER = 20_000
ROUNDS = 15


def main() -> None:
    """Print a line for each way in which a caller uses it."""
    shw_report.configure(source="urn:benchmark", org_id="6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f", producer=print)

    def work() -> None:
        """Do nothing: what is left is the kit."""

    decorated = shw_report.report("orders.sync", run="r")(work)

    def in_a_with() -> None:
        with shw_report.report("orders.sync", run="r"):
            work()

    answer = httpx.Response(200, request=httpx.Request("GET", "http://127.0.0.1/"))

    class Client:
        def send(self, request: httpx.Request) -> httpx.Response:
            assert request is answer.request
            return answer

    bare, watched = Client(), Client()
    shw_report.watch(watched)

    def call(client: Client) -> None:
        with shw_report.report("orders.sync", run="r"):
            client.send(answer.request)

    cost = {
        "with report(...)": best(in_a_with) - best(work),
        "@report(...)": best(decorated) - best(work),
        "a watched call": best(lambda: call(watched)) - best(lambda: call(bare)),
        "with report(...) and a watched call": best(lambda: call(watched)) - best(lambda: bare.send(answer.request)),
    }
    for name, microseconds in cost.items():
        sys.stdout.write(f"{name:<36} {microseconds:5.2f} us\n")


def best(function: object) -> float:
    """Return the least time of a call, in microseconds."""
    return min(repeat("function()", globals={"function": function}, number=NUMBER, repeat=ROUNDS)) / NUMBER * 1e6


if __name__ == "__main__":
    main()
