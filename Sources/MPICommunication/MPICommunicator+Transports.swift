// By what the MPI library moves messages, as it tells itself.

import CMPI

extension MPICommunicator {
  /// The components that the library moves messages by, such as `pml ob1, btl self, btl tcp`; empty where it does
  /// not tell.
  ///
  /// Open MPI has variables of the components that it opened, MPICH names its device. The corresponding functions are
  /// `MPI_T_cvar_get_num` and `MPI_T_cvar_get_info`, and `MPI_Get_library_version`. To be asked after MPI was
  /// initialised, when the components are chosen.
  package static var transports: [String] {
    let device = MPITransports.device(in: libraryText)
    return device.isEmpty ? MPITransports.components(in: toolVariables) : device
  }

  /// The names of the library's control variables.
  private static var toolVariables: [String] {
    var granted: CInt = 0
    guard MPI_T_init_thread(CMPI_THREAD_SINGLE(), &granted) == CMPI_SUCCESS() else { return [] }
    defer { _ = MPI_T_finalize() }
    var count: CInt = 0
    guard MPI_T_cvar_get_num(&count) == CMPI_SUCCESS() else { return [] }
    return (0..<max(0, count)).compactMap { index in
      var name = [CChar](repeating: 0, count: 256)
      var length = CInt(name.count)
      // Those of components that were closed again are no more.
      guard CMPI_T_cvar_name(index, &name, &length) == CMPI_SUCCESS() else { return nil }
      return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }
}

/// Reads what libraries tell of their transports.
package enum MPITransports {
  /// Open MPI's components, by the names of their variables: each that was opened has its version there.
  package static func components(in variables: [String]) -> [String] {
    func names(of framework: String) -> [String] {
      let (prefix, suffix) = (framework + "_", "_major_version")
      return variables.filter { $0.hasPrefix(prefix) && $0.hasSuffix(suffix) }
        .map { "\(framework) \($0.dropFirst(prefix.count).dropLast(suffix.count))" }.sorted()
    }
    let layers = names(of: "pml")
    // Only one of them uses the mtl, which is opened for it; the others have nothing to do with it.
    return layers + (layers.contains("pml cm") ? names(of: "mtl") : names(of: "btl"))
  }

  /// MPICH's device, by the text of its version: what comes behind `Device:`.
  package static func device(in text: String) -> [String] {
    for line in text.split(separator: "\n") {
      let words = line.split(whereSeparator: \.isWhitespace)
      guard let mark = words.firstIndex(of: "Device:"), mark + 1 < words.endIndex else { continue }
      return ["device \(words[mark + 1])"]
    }
    return []
  }
}
