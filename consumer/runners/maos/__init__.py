"""Runner for the platform's own runs: orders by templates, and looks at the form that MAOS gives a run."""
