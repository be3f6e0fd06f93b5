"""What other recommenders reach on the protocols; in an environment of their own."""
