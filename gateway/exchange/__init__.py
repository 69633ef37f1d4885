"""Letters between township nodes and their county, who a node is, and how the nodes are doing."""
