"""Bundles, custody and the spool: everything about carrying files that needs no database and no server."""
