"""The bundle file of `docs/bundle-format.md`: sealing, checking and reading it. Folders are the spool's business."""
