"""Client of an engine that the catalog describes by templates of HTTP calls."""
