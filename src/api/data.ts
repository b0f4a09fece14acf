/** Readers and writers: NumPy and safetensors files, folders of images, volumes, scans, data sets, corruptions. */

export { decodeNpy, encodeNpy, readNpy, writeNpy } from "../data/arrays/npy.ts";
export { decodeNpz, readNpz } from "../data/arrays/npz.ts";
export { type Cifar10, openCifar10 } from "../data/cifar10.ts";
export { type Corruptor, corruptMask, corruptor } from "../data/corrupt.ts";
export { type ImageFolder, type ImageFolderOptions, writeImageFolder } from "../data/images/image-folder.ts";
export { type ImageSet, openImages } from "../data/images/image-set.ts";
export { type FastMriDataset, openFastMri } from "../data/scans/fastmri.ts";
export { openNifti } from "../data/scans/nifti.ts";
export { openScans, type ScanOptions, type Scans } from "../data/scans/scans.ts";
export type { SliceSource } from "../data/scans/slice-source.ts";
export { decodeSafetensors, encodeSafetensors } from "../nn/safetensors.ts";
export type { Corruption } from "../operators/simulation.ts";
