/** Readers and writers: NumPy and safetensors files, folders of images, volumes, scans, data sets, corruptions. */
export { type Cifar10, openCifar10 } from "../data/cifar10.ts";
export { type Corruptor, corruptMask, corruptor } from "../data/corrupt.ts";
export type { Corruption } from "../data/corruptions.ts";
export { type FastMriDataset, openFastMri } from "../data/fastmri.ts";
export { type ImageFolder, type ImageFolderOptions, writeImageFolder } from "../data/image-folder.ts";
export { type ImageSet, openImages } from "../data/image-set.ts";
export { openNifti } from "../data/nifti.ts";
export { decodeNpy, encodeNpy, readNpy, writeNpy } from "../data/npy.ts";
export { decodeNpz, readNpz } from "../data/npz.ts";
export { openScans, type ScanOptions, type Scans } from "../data/scans.ts";
export type { SliceSource } from "../data/slice-source.ts";
export { decodeSafetensors, encodeSafetensors } from "../nn/safetensors.ts";
