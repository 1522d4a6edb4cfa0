"""The rules of streams: which bundle may follow which, and what the other network's acknowledgements prove. Pure."""
