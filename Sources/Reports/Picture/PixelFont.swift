// Letters of pixels, for pictures that are drawn without any library of fonts.

/// Capitals, digits and a few signs of 5 x 7 pixels.
enum PixelFont {
  /// Columns of a letter.
  static let width = 5
  /// Rows of a letter.
  static let height = 7

  /// Whether a letter has a pixel; what there is no letter of is a gap.
  static func has(_ letter: Character, row: Int, column: Int) -> Bool {
    guard let bits = letters[letter] else { return false }
    return bits >> UInt64((height - 1 - row) * width + width - 1 - column) & 1 == 1
  }

  /// The pixels of each letter, row by row from the top left, of which the last is the lowest bit.
  private static let letters: [Character: UInt64] = [
    "0": 0x3_A33A_E62E, "1": 0x1_1842_108E, "2": 0x3_A211_111F, "3": 0x7_C441_062E,
    "4": 0x0_8CA9_7C42, "5": 0x7_E1E0_862E, "6": 0x1_910F_462E, "7": 0x7_C222_2108,
    "8": 0x3_A317_462E, "9": 0x3_A317_844C, "A": 0x3_A31F_C631, "B": 0x7_A31F_463E,
    "C": 0x3_A308_422E, "D": 0x7_2518_C65C, "E": 0x7_E10F_421F, "F": 0x7_E10F_4210,
    "G": 0x3_A30B_C62F, "H": 0x4_631F_C631, "I": 0x3_8842_108E, "J": 0x1_C421_0A4C,
    "K": 0x4_654C_5251, "L": 0x4_2108_421F, "M": 0x4_775A_C631, "N": 0x4_7359_C631,
    "O": 0x3_A318_C62E, "P": 0x7_A31F_4210, "Q": 0x3_A318_D64D, "R": 0x7_A31F_5251,
    "S": 0x3_E107_043E, "T": 0x7_C842_1084, "U": 0x4_6318_C62E, "V": 0x4_6318_C544,
    "W": 0x4_631A_D771, "X": 0x4_5442_1151, "Y": 0x4_62A2_1084, "Z": 0x7_C222_221F,
    ".": 0x0_0000_018C, "-": 0x0_000F_8000, "+": 0x0_084F_9080, "/": 0x0_4222_2210,
    ",": 0x0_0000_3088,
  ]
}
