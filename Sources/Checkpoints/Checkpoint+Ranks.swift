// One checkpoint for all ranks, of which only rank 0 reads the file.

package import Communication
import Foundation

extension Checkpoint {
  /// What the checkpoint that rank 0 has read says, on every rank; collective.
  ///
  /// The other ranks need no file, and a file that is replaced while a run begins, as
  /// `latest.safetensors` may be, cannot give them another checkpoint. The tensors are for the caller
  /// to broadcast, once the ranks agree on the parameter layout.
  ///
  /// - Parameter read: the checkpoint on rank 0, nil where there is none; the others pass nil.
  /// - Returns: the checkpoint of rank 0, or nil on every rank.
  /// - Throws: `RankFailure`, on all ranks, where one does not understand it; `MPIError`.
  package static func shared(
    _ read: Checkpoint?, _ communicator: any Communicator
  ) throws -> Checkpoint? {
    // The metadata of the file is text that every rank can parse again.
    let told = try communicator.together {
      try read.map { Array(try JSONEncoder().encode($0.metadata())) } ?? []
    }
    let heard = try communicator.allgatherv(told)[0]
    guard !heard.isEmpty else { return nil }
    return try communicator.together {
      let metadata = try JSONDecoder().decode([String: String].self, from: Data(heard))
      return try Checkpoint(metadata: metadata, path: "the checkpoint that rank 0 has read")
    }
  }
}
