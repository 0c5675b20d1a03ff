internal import HDF5

/// The names and numbers of the dataset file; what writes one and what reads one share them.
///
/// ```
/// /               format, format_version, command, sources (JSON), preprocessing (JSON)
/// /classes        (K,) UTF-8 strings
/// /train/images   (N, H, W, C) uint8 or float32; layout, color, mean (C,), std (C,), counts (K,), sha256
/// /train/labels   (N,) int64 in 0 ..< K; sha256
/// /test/…         the same
/// ```
/// In the place of the images may stand JPEG and PNG files: see `EncodedPictures`.
///
/// `mean` and `std` are those of the train split in 0…1, on every split. `sha256` is over the raw little-endian bytes.
///
/// Of others' files more is taken: labels of any integer type, or whole numbers as floats, also as (N, 1); images as float64,
/// which become float32; attributes that are missing, but for `format` and `format_version`; and whatever stands beside the
/// splits. A group is a split if it is named train, test or val, or holds images and labels.
package enum DatasetFileFormat {
    package static let name = "swift-train.dataset"
    package static let version: Int64 = 1
    package static let splitNames = ["train", "test", "val"]
    package static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
}

/// How a pixel is stored.
package enum PixelType: String, Sendable {
    case uint8
    /// 0…1 by convention.
    case float32

    package var byteCount: Int { self == .uint8 ? 1 : 4 }
}
