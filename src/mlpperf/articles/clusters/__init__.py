"""Clusters of the images in front of the network."""
