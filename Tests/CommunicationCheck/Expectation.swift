// What a rank of the check program says when something is not as it should be.

/// A broken promise of the communicator.
struct BrokenExpectation: Error, CustomStringConvertible {
  let description: String
}

/// Throws unless `actual` equals `expected`.
func expect<Value: Equatable>(
  _ actual: Value, equals expected: Value, _ what: String, line: Int = #line
) throws {
  guard actual != expected else { return }
  throw BrokenExpectation(description: "line \(line): \(what): \(actual) is not \(expected)")
}

/// Throws unless all `values` equal `expected`; says where the first does not.
func expectAll<Value: Equatable>(
  _ values: some Sequence<Value>, equal expected: Value, _ what: String, line: Int = #line
) throws {
  for (index, value) in values.enumerated() where value != expected {
    throw BrokenExpectation(
      description: "line \(line): \(what)[\(index)]: \(value) is not \(expected)")
  }
}

/// The error that `body` throws, which must be a `Failure`.
func failure<Failure: Error>(
  _ type: Failure.Type, _ what: String, line: Int = #line, of body: () throws -> Void
) throws -> Failure {
  do {
    try body()
  } catch let error as Failure {
    return error
  }
  throw BrokenExpectation(description: "line \(line): \(what) threw nothing")
}
