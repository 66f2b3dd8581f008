"""The articles' multilayer perceptron: its equations and the data that it is trained on."""
