internal import Datasets
