/** The part of three.js that the photographs need; the package brings no types. */
declare module "three/addons/loaders/EXRLoader.js" {
  export class EXRLoader {
    /** FloatType (1015) or HalfFloatType (1016). */
    setDataType(type: number): this;
    /** Rows from the bottom; four channels a pixel. @throws Error if it is no OpenEXR file */
    parse(buffer: ArrayBuffer): { readonly width: number; readonly height: number; readonly data: unknown };
  }
}
