"""The commands that both services have alike; each service names its parts and gets a Typer app."""
