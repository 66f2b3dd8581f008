"""Images as distances to the centres of clusters, which a network takes in the place of pixels."""
