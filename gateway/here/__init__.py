"""What of each study can be looked at on this node: images still here, priors, reports."""
