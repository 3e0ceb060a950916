"""The pure engine: a document and its schema in, the one cheapest valid document out, or why not. Imports nothing."""
