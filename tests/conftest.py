"""One torch thread in every test process: small steps are many times faster, and tests run beside each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

torch.set_num_threads(1)
