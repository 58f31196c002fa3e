// How the value of an option is read from text and written back.

package import Logging

/// A type that options can have: read from one piece of text, the same from a flag and a file.
///
/// `init(optionText:)` of `optionText` gives an equal value, for every valid value.
protocol OptionValue: Equatable, Sendable {
  /// What a reader should write, as in "expected a whole number".
  static var expectation: String { get }
  /// The values by their names, of a type that has few; for completions.
  static var names: [String] { get }
  /// Whether a list in a file is allowed, its items joined by commas.
  static var isList: Bool { get }
  /// Whether a flag may stand without a value, which is then read from an empty text.
  static var standsAlone: Bool { get }
  /// What is wrong with a text that says no value, where more can be said than the text itself.
  static func fault(in text: String) -> String?
  /// The value that `optionText` says, or nil.
  init?(optionText: String)
  /// The value as text.
  var optionText: String { get }
}

extension OptionValue {
  static var names: [String] { [] }
  static var isList: Bool { false }
  static var standsAlone: Bool { false }
  static func fault(in text: String) -> String? { nil }
}

extension Int: OptionValue {
  static var expectation: String { "a whole number" }
  init?(optionText: String) { self.init(optionText) }
  var optionText: String { description }
}

extension UInt64: OptionValue {
  static var expectation: String { "a whole number from 0 to \(UInt64.max)" }
  init?(optionText: String) { self.init(optionText) }
  var optionText: String { description }
}

// An empty text is the flag without a value.
extension Bool: OptionValue {
  static var expectation: String { "true or false" }
  static var standsAlone: Bool { true }
  static var names: [String] { ["true", "false"] }
  init?(optionText: String) {
    switch optionText {
    case "", "true": self = true
    case "false": self = false
    default: return nil
    }
  }
  var optionText: String { description }
}

// Swift prints the shortest text that reads back as the same value, so nothing is lost in a file.
extension Double: OptionValue {
  static var expectation: String { "a number" }
  init?(optionText: String) { self.init(optionText) }
  var optionText: String { description }
}

extension Float: OptionValue {
  static var expectation: String { "a number" }
  init?(optionText: String) { self.init(optionText) }
  var optionText: String { description }
}

extension String: OptionValue {
  static var expectation: String { "a path" }
  init?(optionText: String) {
    guard !optionText.isEmpty else { return nil }
    self = optionText
  }
  var optionText: String { self }
}

extension OptionValue where Self: RawRepresentable & CaseIterable, RawValue == String {
  static var names: [String] { allCases.map(\.rawValue) }
  static var expectation: String {
    names.count == 1 ? names.joined() : "one of " + names.joined(separator: ", ")
  }
  init?(optionText: String) { self.init(rawValue: optionText) }
  var optionText: String { rawValue }
}

extension Logger.Level: OptionValue {}

/// A condition on the value of an option, with the words for it.
struct Requirement<Value>: Sendable {
  let expected: String
  let holds: @Sendable (Value) -> Bool
}

extension Requirement where Value: OptionValue {
  static var any: Self { Self(expected: Value.expectation) { _ in true } }
}

extension Requirement where Value: BinaryInteger & OptionValue & Sendable {
  static func atLeast(_ least: Value) -> Self {
    Self(expected: "a whole number, \(least) or more") { $0 >= least }
  }
  static func within(_ range: ClosedRange<Value>) -> Self {
    Self(expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") {
      range.contains($0)
    }
  }
}

extension Requirement where Value: BinaryFloatingPoint & OptionValue & Sendable {
  static var positive: Self {
    Self(expected: "a finite number above 0") { $0 > 0 && $0.isFinite }
  }
  static var notNegative: Self {
    Self(expected: "a finite number, 0 or more") { $0 >= 0 && $0.isFinite }
  }
  static var fraction: Self {
    Self(expected: "a number from 0 to below 1") { $0 >= 0 && $0 < 1 }
  }
}
