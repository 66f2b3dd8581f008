"""The one exception that is meant for the person at the keyboard."""


class MlpperfError(Exception):
    """Bad input or an unusable environment, told in one sentence.

    The sentence names the value and what would be right. The command line prints it without a
    traceback and exits with code 2.
    """
