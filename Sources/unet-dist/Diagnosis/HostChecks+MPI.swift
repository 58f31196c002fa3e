// Checks of the MPI library: that it is the one it should be, and by what it moves messages.

import Foundation

extension HostChecks {
  /// The library that is loaded beside the one that the program was built with, and those that other ranks have.
  package static func library(_ loaded: String, builtWith: String, ofAll all: [String]) -> Finding {
    func version(_ text: String) -> String {
      String(text.drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "." })
    }
    let isSame =
      version(loaded) == version(builtWith) && loaded.first == builtWith.first
      && loaded.prefix { $0.isLetter } == builtWith.prefix { $0.isLetter }
    let found =
      isSame ? "\(loaded), the one it was built with" : "\(loaded), built with \(builtWith)"
    if Set(all).count > 1 {
      return Finding(
        "MPI library", found, .error,
        advice: "ranks have others: load the same module, or install the same package, on all hosts"
      )
    }
    return Finding(
      "MPI library", found,
      advice: isSame
        ? nil : "load the library of \(builtWith) (module load, LD_LIBRARY_PATH), or build anew")
  }

  /// By what messages move: the library's `components`, what the environment asks for, and the `adapters` of the
  /// host that are made for it.
  package static func transports(
    _ components: [String], environment: [String: String], adapters: [String], hosts: Int
  ) -> Finding {
    let asked = environment.filter { name, _ in transportVariables.contains { name.hasPrefix($0) } }
      .map { "\($0)=\($1)" }.sorted()
    var found =
      components.isEmpty ? "the library does not tell" : components.joined(separator: ", ")
    if !asked.isEmpty { found += "; by " + asked.joined(separator: ", ") }
    if !adapters.isEmpty { found += "; this host has " + adapters.joined(separator: ", ") }
    // One rank, or ranks of one host, go by memory whatever there is between hosts.
    let isSlow = hosts > 1 && !adapters.isEmpty && components.contains("btl tcp")
    return Finding(
      "transports", found,
      advice: isSlow
        ? "messages between hosts go by TCP: use an MPI library with UCX or libfabric for the adapter"
        : nil)
  }

  /// How the names of variables begin by which a user chooses transports, without one of how they are used.
  private static let transportVariables = [
    "OMPI_MCA_btl", "OMPI_MCA_pml", "OMPI_MCA_mtl", "UCX_TLS", "UCX_NET_DEVICES", "FI_PROVIDER",
    "I_MPI_FABRICS", "MPIR_CVAR_CH4_NETMOD", "MPIR_CVAR_NOLOCAL",
  ]

  // MARK: - Measuring

  /// The adapters of the host that have faster ways than TCP.
  static func adapters() -> [String] {
    let folder = "/sys/class/infiniband"
    return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }
}
