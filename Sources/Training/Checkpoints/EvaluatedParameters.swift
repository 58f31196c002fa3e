// The weights that are scored: those of the last update, or their moving averages.

import Communication
import Kernels
import Network
import Tensors

/// The parameters that evaluation uses, whole on every rank.
struct EvaluatedParameters {
  /// The buffer; what it holds is of now after `gather`.
  let parameters: FloatBuffer
  /// The state whose averages are kept in chunks, if they are.
  private let sharded: ShardedState?
  private let communicator: any Communicator

  /// The averages of `step`'s optimiser where it has some, else its parameters.
  init(_ step: TrainingStep, isSharded: Bool, communicator: any Communicator) throws {
    self.communicator = communicator
    guard let averages = step.optimizer.averages else {
      (parameters, sharded) = (step.parameters, nil)
      return
    }
    guard isSharded else {
      (parameters, sharded) = (averages, nil)
      return
    }
    parameters = try communicator.together { () throws(AllocationError) in
      try FloatBuffer(count: step.network.layout.count, for: "averages")
    }
    sharded = ShardedState(
      step.optimizer, elementCount: step.network.layout.count, isSharded: true,
      communicator: communicator)
  }

  /// Brings the averages of all ranks to all ranks, where each keeps its own; collective.
  func gather() throws {
    guard let sharded else { return }
    let whole = try sharded.gathered().first { $0.name == Optimizer.averagesName }
    if let whole { parameters.base.update(from: whole.values.base, count: parameters.count) }
    try communicator.broadcast(parameters.floats, from: 0)
  }
}
