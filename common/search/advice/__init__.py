"""What may be said about a search that is valid: probable mistakes, and how costly it is."""
