// The one error type here: what is wrong with a data set, where, and what to do.

import Files

/// What is wrong with a data set or with a request made of it.
///
/// Files that cannot be decoded are reported by `ImagingError`; everything else about a set is
/// reported here.
package struct DatasetError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of failure, for programs and tests.
  package enum Kind: Sendable {
    /// A file or folder that does not exist, or a file where a folder is needed.
    case missing
    /// A folder or list without a single image.
    case noImages
    /// An image whose mask was not found.
    case imageWithoutMask
    /// A mask whose image was not found.
    case maskWithoutImage
    /// Two masks that both belong to one image.
    case twoMasks
    /// Two samples of one name, hence of one output file.
    case duplicateName
    /// A folder of images beside a single mask file, or the reverse.
    case mixedSources
    /// An image stack and a mask stack of different lengths.
    case pageCountsDiffer
    /// An image and its mask of different sizes, or a file of another size than it was indexed with.
    case sizesDiffer
    /// Grey and RGB images in one set, or a file of another kind than it was indexed with.
    case channelsDiffer
    /// Masks of more values than there can be classes.
    case tooManyValues
    /// A mask value without a class.
    case unknownValue
    /// A file of class names that cannot be understood.
    case invalidClassNames
    /// An image with samples that are not finite numbers.
    case nonFiniteSamples
    /// A folder or file that cannot be written.
    case notWritable
    /// A number or name given by the caller that is out of range.
    case invalidArgument
    /// A loader used after it was closed.
    case closed
  }

  /// The kind of failure.
  package let kind: Kind
  /// The file, folder or option at fault.
  package let path: String
  /// What should have been there.
  package let expected: String
  /// What was there.
  package let found: String
  /// What to do about it.
  package let hint: String

  /// An error from its parts; each part is a phrase without a final full stop.
  package init(_ kind: Kind, path: String, expected: String, found: String, hint: String) {
    self.kind = kind
    self.path = path
    self.expected = expected
    self.found = found
    self.hint = hint
  }

  /// The whole message on one line, control characters of file names replaced.
  package var description: String {
    "\(path): expected \(expected), found \(found); \(hint)".printable
  }
}
