internal import HDF5
