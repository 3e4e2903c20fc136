"""Coverage-guided fuzzing of everything that reads bytes from outside (atheris, the extra `fuzz`).

    make fuzz SECONDS=60 TARGET=image

`TARGET=all` runs every target. libFuzzer mutates small real files, and keeps inputs that reach new
code. Anything but a response or one of the service's own errors is a finding.
"""
