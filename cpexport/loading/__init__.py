"""Finding, judging, decoding and writing batches."""
