// Faults of a data set, or of a request made of it.

package import Files

extension FileError.Kind {
  /// A file or folder that does not exist, or a file where a folder is needed.
  package static let missing = FileError.Kind("missing")
  /// A folder or list without a single image.
  package static let noImages = FileError.Kind("no images")
  /// An image whose mask was not found.
  package static let imageWithoutMask = FileError.Kind("image without mask")
  /// A mask whose image was not found.
  package static let maskWithoutImage = FileError.Kind("mask without image")
  /// Two masks that both belong to one image.
  package static let twoMasks = FileError.Kind("two masks")
  /// Two samples of one name, hence of one output file.
  package static let duplicateName = FileError.Kind("duplicate name")
  /// A folder of images beside a single mask file, or the reverse.
  package static let mixedSources = FileError.Kind("mixed sources")
  /// An image stack and a mask stack of different lengths.
  package static let pageCountsDiffer = FileError.Kind("page counts differ")
  /// An image and its mask of different sizes, or a file of another size than it was indexed with.
  package static let sizesDiffer = FileError.Kind("sizes differ")
  /// Grey and RGB images in one set, or a file of another kind than it was indexed with.
  package static let channelsDiffer = FileError.Kind("channels differ")
  /// Masks of more values than there can be classes.
  package static let tooManyValues = FileError.Kind("too many values")
  /// Masks whose values are numbers of single objects.
  package static let numberedObjects = FileError.Kind("numbered objects")
  /// A mask value without a class.
  package static let unknownValue = FileError.Kind("unknown value")
  /// A file of class names that cannot be understood.
  package static let invalidClassNames = FileError.Kind("invalid class names")
  /// An image with samples that are not finite numbers.
  package static let nonFiniteSamples = FileError.Kind("non finite samples")
  /// A number or name given by the caller that is out of range.
  package static let invalidArgument = FileError.Kind("invalid argument")
  /// A loader used after it was closed.
  package static let closed = FileError.Kind("closed")
}
