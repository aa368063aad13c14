"""What beatra costs per call, side by side with asking the same provider directly. See bench/README.md."""
