"""Declarations of generators: what makes images and voices, by which wire, at what price, and what follows them."""
