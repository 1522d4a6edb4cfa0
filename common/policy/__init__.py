"""What may be asked, by whom and how often: settings, profile types and allowed indices, as both networks hold them."""
