// How the ranks of a host come to see each other's marks of progress.

package import Liveness

extension HostBoard {
  /// Shows this rank's marks to those of its host, and theirs to this one; collective.
  ///
  /// - Returns: nil for a rank alone on its host, and where the host has no shared memory for it.
  package static func joined(by communicator: any Communicator) throws(MPIError) -> HostBoard? {
    guard communicator.size > 1 else { return nil }
    let isLeader = communicator.localRank == 0
    let made = isLeader && communicator.localSize > 1 ? make(count: communicator.localSize) : nil
    let paths = try communicator.allgatherv(Array((made?.path ?? "").utf8))
    let path = String(decoding: paths[communicator.localLeader], as: UTF8.self)
    let board = made ?? (path.isEmpty ? nil : HostBoard(path: path, count: communicator.localSize))
    board?.join(place: communicator.localRank, rank: communicator.rank)
    try communicator.barrier()
    made?.removeName()
    return board
  }
}
