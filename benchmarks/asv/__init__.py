"""The hot paths under asv: `paths.py` has one class for each, over the literal list in `frozen.py`.

asv runs these files as they are in the working tree with the package of whichever commit it has
installed. So they take from the package only what every commit had, and what a commit lacks is n/a.
"""

import os

# One axis in asv.conf.json stands for the threads of whichever BLAS there is. These are read when
# NumPy loads, which is after this.
if threads := os.environ.get("OMP_NUM_THREADS"):
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[variable] = threads
