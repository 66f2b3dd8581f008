"""The articles' networks in Keras."""
