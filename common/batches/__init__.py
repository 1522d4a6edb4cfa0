"""The one procedure behind every export and import: order, crash recovery, custody and audit in one place."""
