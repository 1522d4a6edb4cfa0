"""One engine a process, transactions with work that waits for their commit, and the tables that both networks have."""
