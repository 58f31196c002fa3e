// What libFuzzer calls; built by Scripts/fuzz.

import Foundation
import FuzzSubjects

/// The subject that the environment names, and a folder of its own for its files.
private let (subject, folder): (FuzzSubject, String) = {
  let environment = ProcessInfo.processInfo.environment
  guard let subject = FuzzSubject(rawValue: environment["UNET_DIST_FUZZ"] ?? ""),
    let folder = environment["UNET_DIST_FUZZ_FOLDER"]
  else { fatalError("Scripts/fuzz names a subject and a folder") }
  return (subject, folder)
}()

/// Reads one input.
///
/// An error that is none of a file's ends the program, so that it is found.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  do {
    try subject.read(Array(UnsafeBufferPointer(start: bytes, count: count)), in: folder)
  } catch {
    fatalError("no error of a file: \(error)")
  }
  return 0
}
