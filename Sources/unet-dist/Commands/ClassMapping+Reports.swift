// The classes of a checkpoint as `evaluate` names and chooses them.

import Configuration
import Datasets
import Files
import Metrics

extension ClassMapping {
  /// What the classes of a network of `count` outputs are called; those beyond the masks' own have no
  /// value.
  func reportLabels(count: Int) -> [ClassLabel] {
    (0..<count).map { label in
      guard classes.indices.contains(label) else {
        return ClassLabel(name: "class \(label)", value: .null, valueText: "class\(label)")
      }
      let value = classes[label].value
      return ClassLabel(
        name: names[label],
        value: value.isGrey
          ? .integer(value.red)
          : .list([.integer(value.red), .integer(value.green), .integer(value.blue)]),
        valueText: value.isGrey
          ? "\(value.red)" : "\(value.red)_\(value.green)_\(value.blue)")
    }
  }

  /// The labels of what is no object: the border, and where there are three classes or more the first
  /// one too, which is the background then.
  func backgrounds(border: Int) -> Set<UInt8> {
    count > 2 ? [0, UInt8(border)] : [UInt8(border)]
  }

  /// The label of a class that is called a membrane, border or boundary.
  var namedBorder: Int? {
    let words = ["membrane", "border", "boundary"]
    return names.firstIndex { name in words.contains { name.lowercased().contains($0) } }
  }

  /// The label of the class that parts cells: the one of this name or value in
  /// masks, or where nothing is given one that is called so, else the first.
  func border(named text: String?) throws(ConfigurationError) -> Int {
    guard let text else { return namedBorder ?? 0 }
    if let label = names.firstIndex(of: text)
      ?? values.firstIndex(where: { $0 == MaskValue(text: text) })
    {
      return label
    }
    let known = zip(values, names).map { value, name in
      name == "value \(value)" ? "\(value)" : "\(value) (\(name))"
    }
    throw ConfigurationError(
      option: "border-class", expected: "one of \(known.joined(separator: ", "))",
      found: quoted(text))
  }
}
