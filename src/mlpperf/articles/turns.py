"""How rungs and peers take turns, so that a machine that is slow for a while slows all of them.

One trains for a few epochs, then the next one does, in random order, until each has had all its
epochs; and a ratio compares the epochs of two that were trained in the same round of turns.
"""

# Epochs that one trains before the next has its turn. The first of a turn finds caches full of
# another one's data; with five it is a minority, which hardly moves a median.
TURN_EPOCHS = 5
# Epochs with `--quick`, the fewest that give an interval: that six ratios lie on one side of the
# true one has the probability 2 ÷ 2⁶ = 3 %, with five it is more than 5 %.
QUICK_EPOCHS = 6
COMPILING_EPOCHS = 1  # that do not count where libraries compile in their first one
