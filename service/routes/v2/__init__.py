"""`/v2`: the Open Inference Protocol over HTTP, for clients of KServe and Triton."""
