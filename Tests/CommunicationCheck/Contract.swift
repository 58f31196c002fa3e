// Every promise of a communicator, checked on every rank.

import Communication

/// Checks all promises with values that tell each rank's part of a result.
func checkContract(_ communicator: any Communicator) throws {
  try checkPlaces(communicator)
  try checkBroadcast(communicator)
  try checkSums(communicator)
  try checkGathers(communicator)
  try checkLargeBuffers(communicator)
  try checkTogether(communicator)
  try checkAgreement(communicator)
  try checkReducer(communicator)
  try checkBudget(communicator)
  try communicator.barrier()
}

private func checkPlaces(_ communicator: any Communicator) throws {
  let size = Int64(communicator.size)
  try expect(
    communicator.allReduceSum([Int64(communicator.rank), 1]),
    equals: [size * (size - 1) / 2, size],
    "sum of ranks and of ones")
  // The tests run on one host.
  try expect(communicator.hostRank, equals: communicator.rank, "host rank")
  try expect(communicator.hostSize, equals: communicator.size, "host size")
  try expect(communicator.hostLeader, equals: 0, "host leader")
  try expect(communicator.hostName.isEmpty, equals: false, "host name is empty")
}

private func checkBroadcast(_ communicator: any Communicator) throws {
  for root in 0..<communicator.size {
    var bytes: [UInt8] = communicator.rank == root ? [1, 2, UInt8(root)] : [0, 0, 0]
    try bytes.withUnsafeMutableBytes { try communicator.broadcast($0, from: root) }
    try expect(bytes, equals: [1, 2, UInt8(root)], "bytes from \(root)")

    var values: [Float] = communicator.rank == root ? [0.5, Float(root)] : [0, 0]
    try values.withUnsafeMutableBufferPointer { try communicator.broadcast($0, from: root) }
    try expect(values, equals: [0.5, Float(root)], "floats from \(root)")
  }
  var nothing: [Float] = []
  try nothing.withUnsafeMutableBufferPointer { try communicator.broadcast($0, from: 0) }
}

private func checkSums(_ communicator: any Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let rankSum = size * (size - 1) / 2
  var values = (0..<1000).map { Float(rank * 1000 + $0) }
  try values.withUnsafeMutableBufferPointer { try communicator.allReduceSum($0) }
  try expect(values, equals: (0..<1000).map { Float(rankSum * 1000 + size * $0) }, "float sums")

  // Above 2^53, where a Double would round.
  let large = (Int64(1) << 60) / Int64(size) + 1
  try expect(communicator.allReduceSum([large]), equals: [large * Int64(size)], "integer sum")
  try expect(
    communicator.allReduceSum([0.25, Double(rank)]),
    equals: [0.25 * Double(size), Double(rankSum)],
    "double sums")
  try expect(communicator.allReduceSum([Double]()), equals: [], "sum of nothing")
}

private func checkGathers(_ communicator: any Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let own: [UInt8] = [UInt8(rank), UInt8(rank + 100)]
  var all = [UInt8](repeating: 255, count: 2 * size)
  try own.withUnsafeBytes { own in
    try all.withUnsafeMutableBytes { try communicator.allGather(own, into: $0) }
  }
  try expect(all, equals: (0..<size).flatMap { [UInt8($0), UInt8($0 + 100)] }, "equal gather")

  // Rank 0 has nothing at all.
  func part(_ rank: Int) -> [UInt8] { [UInt8](repeating: UInt8(rank), count: 3 * rank) }
  try expect(
    communicator.allGatherVariable(part(rank)), equals: (0..<size).map(part), "uneven gather")
  for root in 0..<size {
    try expect(
      communicator.gatherVariable(part(rank), to: root),
      equals: rank == root ? (0..<size).map(part) : [], "uneven gather to \(root)")
  }
}

/// Buffers of more than one piece, the last one ragged.
private func checkLargeBuffers(_ communicator: any Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let byteCount = MPICommunicator.chunkByteCount + 12
  let count = byteCount / 4
  var values = (0..<count).map { Float(rank + $0 % 1000) }
  try values.withUnsafeMutableBufferPointer { try communicator.allReduceSum($0) }
  let rankSum = Float(size * (size - 1) / 2)
  for index in values.indices { values[index] -= rankSum + Float(size * (index % 1000)) }
  try expectAll(values, equal: 0, "large sum")

  let root = size - 1
  for index in values.indices { values[index] = rank == root ? Float(index % 4096) : -1 }
  try values.withUnsafeMutableBufferPointer { try communicator.broadcast($0, from: root) }
  for index in values.indices { values[index] -= Float(index % 4096) }
  try expectAll(values, equal: 0, "large broadcast")

  // Together more than one piece, so that the parts go one by one.
  let half = byteCount / 2 + rank
  let part = [UInt8](repeating: UInt8(rank + 1), count: half)
  let gathered = try communicator.allGatherVariable(part)
  try expect(gathered.map(\.count), equals: (0..<size).map { byteCount / 2 + $0 }, "large counts")
  for (source, bytes) in gathered.enumerated() {
    try expectAll(bytes, equal: UInt8(source + 1), "large part \(source)")
  }
  let atRoot = try communicator.gatherVariable(part, to: root)
  try expect(atRoot.count, equals: rank == root ? size : 0, "large parts at the root")
  try expect(rank != root || atRoot == gathered, equals: true, "large parts are as everywhere")

  let equal = [UInt8](repeating: UInt8(rank + 1), count: byteCount / 2)
  var all = [UInt8](repeating: 0, count: equal.count * size)
  try equal.withUnsafeBytes { equal in
    try all.withUnsafeMutableBytes { try communicator.allGather(equal, into: $0) }
  }
  for source in 0..<size {
    try expectAll(
      all[source * equal.count..<(source + 1) * equal.count], equal: UInt8(source + 1),
      "large equal part \(source)")
  }
}

private struct Refusal: Error, CustomStringConvertible {
  let description: String
}

private func checkTogether(_ communicator: any Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  try expect(communicator.together { 7 * rank }, equals: 7 * rank, "value of work that succeeded")

  for failing in 0..<size {
    let error = try failure(RankFailure.self, "a failure of rank \(failing)") {
      try communicator.together {
        if rank == failing { throw Refusal(description: "no such folder: a\(rank)") }
      }
    }
    try expect(error.rank, equals: failing, "failing rank")
    try expect(error.reportingRank, equals: failing, "reporting rank")
    try expect(error.message, equals: "no such folder: a\(failing)", "message")
    try expect(error.cause is Refusal, equals: rank == failing, "cause is known")
    try expect(
      error.description,
      equals: size == 1 ? error.message : "rank \(failing): no such folder: a\(failing)", "text")
  }

  let everywhere = try failure(RankFailure.self, "a failure of all") {
    try communicator.together { throw Refusal(description: "") }
  }
  try expect(everywhere.isSameEverywhere, equals: true, "the same everywhere")
  try expect(everywhere.otherRanks, equals: Array(1..<size), "other ranks")
  try expect(everywhere.description, equals: "", "an empty message")

  let different = try failure(RankFailure.self, "different failures of all") {
    try communicator.together { throw Refusal(description: "reason \(rank)") }
  }
  try expect(different.isSameEverywhere, equals: size == 1, "the same everywhere")
  try expect(different.message, equals: "reason 0", "message of the lowest rank")
  try communicator.together {}
}

private func checkAgreement(_ communicator: any Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let shared = [
    NamedDigest(name: "configuration", digest: [1, 2, 3]),
    NamedDigest(name: "weights", digest: []),
  ]
  try communicator.verifyEqualOnAllRanks(shared)
  guard size > 1 else { return }

  for differing in 1..<size {
    let error = try failure(RankDisagreement.self, "a difference on rank \(differing)") {
      let digest = NamedDigest(name: "layout", digest: rank == differing ? [9] : [8])
      try communicator.verifyEqualOnAllRanks(shared + [digest])
    }
    try expect(
      error.differences.map(\.name), equals: ["layout"], "what differs")
    try expect(error.differences.first?.ranks, equals: [differing], "where it differs")
  }

  let missing = try failure(RankDisagreement.self, "a digest that only rank 0 has") {
    try communicator.verifyEqualOnAllRanks(rank == 0 ? shared : [shared[1]])
  }
  try expect(
    missing.differences.map(\.name), equals: ["configuration"], "what is missing")
  try expect(missing.differences.first?.ranks, equals: Array(1..<size), "where it is missing")
}

private func checkReducer(_ communicator: any Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  // Three buckets of 1000 and one of 500.
  let buckets = GradientBuckets(elementCount: 3500, byteCount: 4000)
  let reducer = GradientReducer(communicator: communicator, buckets: buckets)
  let byteCount = size == 1 ? 0 : 4 * 3500
  var gradients = [Float](repeating: 0, count: 3500)
  for step in 1...2 {
    try gradients.withUnsafeMutableBufferPointer { gradients in
      reducer.begin(gradients)
      var end = gradients.count
      for offset in [3400, 3000, 2999, 1000, 0] {
        for index in offset..<end { gradients[index] = Float(step * (rank * 10_000 + index)) }
        reducer.reduce(from: offset)
        end = offset
      }
      try reducer.finish()
    }
    let rankSum = size * (size - 1) / 2
    try expect(
      gradients, equals: (0..<3500).map { Float(step * (rankSum * 10_000 + size * $0)) },
      "gradients of step \(step)")
    try expect(reducer.byteCount, equals: byteCount, "bytes of step \(step)")
    try expect(reducer.seconds >= 0 && reducer.seconds < 30, equals: true, "seconds are plausible")
  }

  // Without a word in between, everything is summed at the end.
  try gradients.withUnsafeMutableBufferPointer { gradients in
    gradients.update(repeating: 1)
    reducer.begin(gradients)
    try reducer.finish()
  }
  try expectAll(gradients, equal: Float(size), "gradients of a step without hand-over")
}

private func checkBudget(_ communicator: any Communicator) throws {
  let budget = try ThreadBudget.measure(for: communicator)
  try expect(budget.hostRanks, equals: communicator.size, "ranks on the host")
  // Started with --bind-to none, all ranks share all cores.
  try expect(budget.boundCores, equals: budget.hostCores, "cores in use")
  try expect(budget.warning, equals: nil, "warning")
  if budget.processorLimit == nil {
    try expect(
      budget.threads, equals: max(1, budget.hostCores / communicator.size), "threads of a rank")
  }
}
