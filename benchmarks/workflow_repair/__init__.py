"""A set of 24 broken workflows, and what a patch of one is judged by; `README.md` says how to run an agent on it."""
