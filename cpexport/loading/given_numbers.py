"""The numbers that a destination has given to the keys of image sets."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.image_keys import keys_of
from cpexport.imagesets import NONE, ImageSets
from cpexport.sinks.ledger_store import LedgerStore


class Numbers(Protocol):
    """The numbers that a destination has given to keys."""

    @property
    def key(self) -> tuple[str, ...]:
        """The features of the keys; empty if image sets have the numbers of their jobs."""

    @property
    def loaded(self) -> ImageSets:
        """The image sets that the destination has."""

    def of(self, keys: Collection[str], features: Sequence[str]) -> Mapping[str, int]:
        """The numbers of those of the keys that have one; `features` are the features of the
        keys."""

    def identities(self, image_sets: ImageSets) -> Identities:
        """What identifies the images of these image sets."""


class NoNumbers:
    """The numbers of no destination."""

    key: tuple[str, ...] = ()
    loaded: ImageSets = NONE

    def of(self, keys: Collection[str], features: Sequence[str]) -> Mapping[str, int]:
        return {}

    def identities(self, image_sets: ImageSets) -> Identities:
        return Identities()


@dataclass(frozen=True)
class LedgerNumbers:
    """The numbers of a destination, by its ledger."""

    ledger: LedgerStore

    @property
    def key(self) -> tuple[str, ...]:
        return self.ledger.key()

    @property
    def loaded(self) -> ImageSets:
        return self.ledger.summary().loaded

    def of(self, keys: Collection[str], features: Sequence[str]) -> Mapping[str, int]:
        if self.key == tuple(features):
            return self.ledger.numbers_of(keys)
        # Until now, image sets had the numbers of their jobs.
        identities = self.ledger.identities(self.loaded)
        known = zip(keys_of(identities, features), identities.numbers.tolist(), strict=True)
        return {key: number for key, number in known if key is not None and key in keys}

    def identities(self, image_sets: ImageSets) -> Identities:
        return self.ledger.identities(image_sets)
