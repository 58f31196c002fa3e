// What a class is called in reports.

package import Files

/// A class as reports name it.
package struct ClassLabel: Sendable, Equatable {
  /// Its name, or `value V` where it has none.
  package let name: String
  /// Its value in the masks; null for a class that no mask has.
  package let value: JSONValue
  /// Its value as a part of names of columns.
  package let valueText: String

  /// A class by its name and its value in masks.
  package init(name: String, value: JSONValue, valueText: String) {
    self.name = name
    self.value = value
    self.valueText = valueText
  }

  /// Its part of a JSON object.
  var json: [(name: String, value: JSONValue)] { [("name", .text(name)), ("value", value)] }
}
