"""The service's doors: each method converts, calls one use case and converts back."""
