import { statSync } from "node:fs";
import { DataError } from "../../core/errors.ts";
import { type ArrayRows, npyRows } from "./array-rows.ts";
import { hdf5Rows } from "./hdf5-rows.ts";
import { openNpz } from "./npz.ts";
import { zarrArrayRows } from "./zarr-array.ts";

const HDF5 = /\.(h5|hdf5|he5|nc)$/i;

/**
 * Opens an array in a file.
 * @param location FILE.npy, FILE.npz:NAME, FILE.h5:/PATH (also .hdf5, .he5, .nc), or the folder of a Zarr array such as
 *   STORE.zarr/PATH
 * @throws DataError if the array is missing, damaged, or holds no numbers
 */
export async function openArray(location: string): Promise<ArrayRows> {
  const [, file, name] = /^(.+\.(?:npz|h5|hdf5|he5|nc)):(.+)$/i.exec(location) ?? [];
  if (file !== undefined && name !== undefined)
    return HDF5.test(file) ? await hdf5Rows(file, name) : (await openNpz(file)).rows(name);
  if (HDF5.test(location) || /\.npz$/i.test(location))
    throw new DataError(
      `${location}: expected the name of an array in the file, found none. Add it, as in ${location}:${HDF5.test(location) ? "/y" : "y"}.`,
    );
  if (statSync(location, { throwIfNoEntry: false })?.isDirectory()) return await zarrArrayRows(location);
  return npyRows(location);
}
