"""Grade on the workers of a cluster (dask.distributed): on this machine, at an address, on Slurm. Needs the extra `cluster`."""
