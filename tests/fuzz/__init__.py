"""Coverage-guided fuzzing of everything that reads bytes from outside (atheris, the extra `fuzz`).

    make fuzz SECONDS=60 TARGET=image

or `TARGET=all`. A target is fed what libFuzzer makes out of small real files; whatever reaches new
code is kept and built upon. Anything but an answer or an error of our own is a find.
"""
