"""What one can do on the Response Network, one subject a file; each function owns one transaction."""
