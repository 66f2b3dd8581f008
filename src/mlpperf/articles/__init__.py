"""What the articles need besides their hot paths: data, network, clusters, contests, pages."""
