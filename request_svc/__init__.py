"""The Request Network's service: where users submit requests and read answers."""
