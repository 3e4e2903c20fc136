"""`/v2`: the Open Inference Protocol over HTTP, as KServe and Triton clients speak it."""
