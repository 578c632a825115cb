"""The kit's figures: one file a stage, plain data in, a matplotlib figure out.

Import the file that you need; nothing is imported here, so that matplotlib loads only with a plot.
"""
