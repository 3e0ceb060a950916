"""Diagnosis, catalog and history to a plan: pure, so that a stored failure can be planned again and compared."""
