"""What is measured: one module a scenario, each with its bar."""
