"""Runner for an Airflow server: orders (`orders.py`), looks (`looks.py`), and what its answers say (`answers.py`)."""
