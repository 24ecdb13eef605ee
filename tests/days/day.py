"""One day: random events, each judged, and an evening that ends them all."""

from collections.abc import Callable

from days.evening import Evening


class Day(Evening):
    """`live` is all of it."""

    def live(self) -> None:
        """All of it. Raises `Fault` at the first thing that is not as it must be."""
        with self.environment():
            try:
                self.judged(self.plan)
                self.judged(self.submit)
                for _ in range(self.rng.randint(10, 20)):
                    self.judged(self.event())
                self.evening()
            finally:
                self.cluster.stop()

    def event(self) -> Callable[[], None]:
        weighed: list[tuple[int, Callable[[], None]]] = [
            (1, self.plan),
            (3, self.submit),
            (2, self.submit_twice),
            (1, self.submit_cut_off),
            (1, self.submit_as_somebody_checks),
            (7, self.begin),
            (8, self.end),
            (3, self.merge),
            (1, self.merge_by_hand),
            (2, self.check),
            (6, self.resubmit),
            (3, self.load),
            (2, self.move),
            (1, self.copy),
            (2, self.fill_or_free),
            (2, self.modes),
            (1, self.forget),
            (2, self.damage),
            (1, self.lose),
            (2, self.end_lost),
            (1, self.cancel),
        ]
        weights = [weight for weight, _ in weighed]
        return self.rng.choices([event for _, event in weighed], weights)[0]
