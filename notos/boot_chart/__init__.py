"""Where the time of a boot goes.

timeline   the console's lines and the kernel's log on one clock
report     figures of several boots, compared
svg        a boot as a waterfall
"""
