"""The folders through which bundles come and go. What is inside a bundle is `transfer.bundle`'s business."""
