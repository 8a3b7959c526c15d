"""Runs until a file appears: argv[1]."""

import os
import sys
import time

while not os.path.exists(sys.argv[1]):
    time.sleep(0.1)
