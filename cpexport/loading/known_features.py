"""The features that a load knows so far, and for which its destination is prepared."""

from dataclasses import replace

from cpexport.cellprofiler.features import IMAGE, INTEGER, REAL, TEXT
from cpexport.errors import NumbersError
from cpexport.loading.decode import Decoded
from cpexport.loading.missing_features import absent
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Count
from cpexport.tables.layout import Features, joined


class KnownFeatures:
    """The features of a destination and of the batches that were read, with types that hold all.

    features: by the object types of jobs.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.features = sink.shape.unshaped(sink.layout().features)
        # A batch can lack only features of its own run, not those of other runs in the same tables.
        self._of_run: Features = {} if sink.shape.numbered else self.features
        # Features of the sink's layout that must be text, as no column of numbers holds all values.
        self._texts: Features = {}

    def add(self, features: Features, *, again: bool) -> None:
        """Prepares the destination for the features of batches of the run; see `prepare`."""
        came = self._sink.shape.without_left_out(features)
        self.prepare(came, again=again)
        self._of_run = joined([self._of_run, came])

    def prepare(self, types: Features, *, again: bool) -> None:
        """Prepares the destination for more types; `again` is whether to do so if none is new."""
        features = joined([self.features, types])
        if features != self.features or again:
            self.features = features
            self._prepare_sink()

    def make_text(self, error: NumbersError) -> None:
        """Makes the feature of `error` text in the sink, as no column of numbers holds its values.

        Raises:
            NumbersError: the feature is text already.
        """
        if error.feature in self._texts.get(error.object, {}):
            raise error
        self._texts = joined([self._texts, {error.object: {error.feature: TEXT}}])
        self.features = joined([self.features, {IMAGE: self._texts.get(IMAGE, {})}])
        self._prepare_sink()

    def is_late(self, decoded: Decoded) -> bool:
        """Whether a batch was decoded before one of its metadata features became text.

        Destinations hold textual metadata exactly as the job wrote it, so it must be decoded again.
        """
        types = decoded.types.get(IMAGE, {})
        return any(
            types.get(feature) in (INTEGER, REAL)
            for feature in self._texts.get(IMAGE, {})
            if feature in decoded.identities.columns
        )

    def counted(self, name: str, decoded: Decoded) -> Count:
        """The counts of a batch's table; values of features that only other batches have count as
        missing."""
        count = decoded.counts[name]
        columns = absent(name, self._of_run, decoded.types.get(name, {})) if count.rows else 0
        return replace(count, missing=count.missing + columns * count.rows)

    def _prepare_sink(self) -> None:
        self._sink.prepare(joined([self._sink.shape.shaped(self.features), self._texts]))
