// The label that stands for no class.

/// The label of pixels that are neither learnt nor scored; classes are numbered from 0 to 254.
package let ignoredLabel: UInt8 = 255
