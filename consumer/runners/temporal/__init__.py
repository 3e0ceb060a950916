"""Runner for a Temporal server: orders (`orders.py`), looks (`looks.py`), histories (`history.py`), its answers."""
