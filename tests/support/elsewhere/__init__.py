"""A third source of documents for the repair engine: six schemas of six trades, and what became of them on the way."""
