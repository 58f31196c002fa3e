// Checks of a host's processors: cores, binding, memory nodes, instructions and kernels.

package import Communication
import Foundation
import Liveness

extension HostChecks {
  /// The cores and how they are divided.
  package static func cores(_ budget: ThreadBudget) -> Finding {
    let ranks = budget.localRanks == 1 ? "1 rank" : "\(budget.localRanks) ranks"
    return Finding(
      "cores",
      "\(budget.hostCores) on this host for \(ranks) of it, "
        + (budget.threads == 1 ? "1 thread each" : "\(budget.threads) threads each"))
  }

  /// On which cores the rank may run.
  package static func binding(_ budget: ThreadBudget, allowed: CoreSet) -> Finding {
    Finding(
      "binding",
      budget.allowedCores < budget.hostCores
        ? "to \(allowed.cores.count == 1 ? "core" : "cores") \(spans(of: allowed.cores)), "
          + "\(budget.allowedCores) of \(budget.hostCores)"
        : "none, all cores of this host", advice: budget.warning)
  }

  /// Which memory nodes the rank's cores belong to, of those that have cores.
  package static func memoryNodes(_ nodes: [Int: CoreSet], allowed: CoreSet) -> Finding {
    let nodes = nodes.filter { !$0.value.cores.isEmpty }
    guard nodes.count > 1 else {
      return Finding(
        "NUMA", nodes.isEmpty ? "the system tells of no memory nodes" : "1 memory node")
    }
    let own = nodes.filter { !Set($0.value.cores).isDisjoint(with: allowed.cores) }.keys.sorted()
    return Finding(
      "NUMA",
      "\(own.count == 1 ? "cores of memory node" : "cores of memory nodes") \(spans(of: own)), of "
        + "\(nodes.count)",
      advice: own.count > 1
        ? "start a rank for each node, so that its threads use the memory beside them: mpirun --map-by numa "
          + "--bind-to numa" : nil)
  }

  /// The vector instructions, by the text of `/proc/cpuinfo`.
  package static func instructions(_ text: String) -> Finding {
    let line = text.split(separator: "\n").first { $0.hasPrefix("flags") } ?? ""
    let flags = Set(line.split(separator: " ").map(String.init))
    if flags.contains("avx512f") { return Finding("instructions", "AVX-512") }
    if flags.isSuperset(of: ["avx2", "fma"]) { return Finding("instructions", "AVX2 and FMA") }
    return Finding(
      "instructions", "neither AVX-512 nor AVX2 with FMA",
      advice: "expect a fraction of the speed; take a host from 2013 or later")
  }

  /// OpenBLAS's kernels; those of old processors are slow on newer ones.
  package static func kernels(_ name: String, pinned: Bool) -> Finding {
    let fast: Set = [
      "haswell", "zen", "skylakex", "cooperlake", "sapphirerapids",
    ]
    return Finding(
      "matrix kernels", "OpenBLAS's \(name)" + (pinned ? ", pinned by UNET_DIST_BLAS_KERNELS" : ""),
      advice: fast.contains(name.lowercased())
        ? nil
        : "if the processor has AVX2, set UNET_DIST_BLAS_KERNELS=Haswell on all hosts")
  }

  // MARK: - Measuring

  /// The cores of each memory node; empty where the system does not tell.
  static func memoryNodes() -> [Int: CoreSet] {
    let folder = "/sys/devices/system/node"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    var nodes: [Int: CoreSet] = [:]
    for name in names where name.hasPrefix("node") {
      guard let number = Int(name.dropFirst(4)),
        let cores = SystemFile.text(of: "\(folder)/\(name)/cpulist").flatMap({ CoreSet(list: $0) })
      else { continue }
      nodes[number] = cores
    }
    return nodes
  }
}
