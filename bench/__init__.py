"""Speed and memory, as ratios taken in the same run. Nothing passes or fails; targets stand beside figures."""
