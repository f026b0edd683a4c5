"""Profiles of a boot: the duration of each step.

timeline   the console's lines and the kernel's log on one clock
report     the durations of several boots, compared
svg        a boot as a waterfall chart
"""
