"""How the ports are met: tables and stores, the answer cache, and the sources and sinks of bundles."""
