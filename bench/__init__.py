"""Speed and memory, as ratios taken in the same run. Nothing here passes or fails; the targets stand beside the figures."""
