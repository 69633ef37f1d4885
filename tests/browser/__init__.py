"""The workstation as its users meet it, in a real browser on a real demo county."""
