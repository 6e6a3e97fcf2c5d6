"""Arrays for compress-run.test, written to the folder given."""
import sys

import numpy as np

folder = sys.argv[1]
x = np.arange(30, dtype=np.float32).reshape(10, 3)
y = 2 * x + np.float32(0.5)
np.savez_compressed(f"{folder}/in.npz", x=np.asfortranarray(x))
np.save(f"{folder}/in.npy", x)
np.savez(f"{folder}/ref.npz", y=y)
off, nan = y.copy(), y.copy()
off[1, 1] += 1
nan[2, 2] = np.nan
np.savez(f"{folder}/off.npz", y=off)
np.savez(f"{folder}/nan.npz", y=nan)
np.savez(f"{folder}/key.npz", z=x)
np.savez(f"{folder}/dtype.npz", x=x.astype(np.float64))
np.savez(f"{folder}/shape.npz", x=np.zeros((10, 4), np.float32))
np.savez(f"{folder}/empty.npz", x=np.zeros((0, 3), np.float32))
