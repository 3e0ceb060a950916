"""Runner for a Conductor server: orders (`orders.py`), looks (`looks.py`), and what its answers say (`answers.py`)."""
