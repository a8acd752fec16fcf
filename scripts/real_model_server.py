"""llama.cpp's own server on a free port of this machine, for real_model.sh.

usage: real_model_server.py MODEL.gguf

Prints its address once it answers, and ends with the process that started it.
One answer at a time, greedy: the same question has the same answer.
"""

import os
import sys
import time

import xllamacpp

# Seconds between two looks at whether the starter is still there.
LOOK_EVERY = 1.0


def main():
    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = 8192
    parameters.n_parallel = 1
    # A model this small finds no end by itself.
    parameters.n_predict = 200
    parameters.n_gpu_layers = 0
    parameters.offline = True
    parameters.cpuparams.n_threads = 2
    parameters.cpuparams_batch.n_threads = 2
    parameters.sampling.temp = 0.0
    parameters.sampling.seed = 1
    starter = os.getppid()
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    while os.getppid() == starter:
        time.sleep(LOOK_EVERY)


main()
