// Every promise of a communicator, checked on every rank.

import Communication
import MPICommunication

/// Checks all promises with values that tell each rank's part of a result.
func checkContract(_ communicator: any Communicator) throws {
  try checkPlaces(communicator)
  try checkBroadcast(communicator)
  try checkSums(communicator)
  try checkGathers(communicator)
  try checkLargeBuffers(communicator)
  try checkTogether(communicator)
  try checkAgreement(communicator)
  try checkMessages(communicator)
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
  try expect(communicator.localRank, equals: communicator.rank, "host rank")
  try expect(communicator.localSize, equals: communicator.size, "host size")
  try expect(communicator.localLeader, equals: 0, "host leader")
  try expect(communicator.hostLeaders.count, equals: communicator.size, "host leaders")
  try expect(communicator.hostLeaders[communicator.rank], equals: 0, "own host leader")
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
    communicator.allgatherv(part(rank)), equals: (0..<size).map(part), "uneven gather")
  for root in 0..<size {
    try expect(
      communicator.gatherv(part(rank), to: root),
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
  let gathered = try communicator.allgatherv(part)
  try expect(gathered.map(\.count), equals: (0..<size).map { byteCount / 2 + $0 }, "large counts")
  for (source, bytes) in gathered.enumerated() {
    try expectAll(bytes, equal: UInt8(source + 1), "large part \(source)")
  }
  let atRoot = try communicator.gatherv(part, to: root)
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

private func checkMessages(_ communicator: any Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let (next, previous) = ((rank + 1) % size, (rank + size - 1) % size)
  let (one, other) = (communicator.requests(tag: 1), communicator.requests(tag: 32767))
  try expect(one.test(), equals: true, "nothing is in flight")
  guard size > 1 else { return }

  // Of one tag in the order of sending, whatever is in flight with another.
  let (sent, received) = (messageBuffers { UInt8(rank + $0) }, messageBuffers { _ in 0 })
  defer { for buffer in sent + received { buffer.deallocate() } }
  for (index, buffer) in received.enumerated() {
    try (index.isMultiple(of: 3) ? other : one).receive(buffer, from: previous)
  }
  for (index, buffer) in sent.enumerated() {
    try (index.isMultiple(of: 3) ? other : one).send(UnsafeRawBufferPointer(buffer), to: next)
  }
  while try !one.test() {}
  while try !other.test() {}
  for index in received.indices {
    try expectAll(received[index], equal: UInt8(previous + index), "message \(index)")
  }
}

/// Forty buffers from one byte up to more than is sent at once.
private func messageBuffers(_ value: (Int) -> UInt8) -> [UnsafeMutableRawBufferPointer] {
  (0..<40).map { index in
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 + 5000 * index, alignment: 1)
    _ = buffer.initializeMemory(as: UInt8.self, repeating: value(index))
    return buffer
  }
}

/// The value that batch index `batchIndex` adds to element `index` in `step`: sums of such values depend on
/// their order.
private func addend(_ batchIndex: Int, _ index: Int, step: Int) -> Float {
  let number = (batchIndex * 7919 + index * 104_729 + step * 1_299_709) % 10_007
  return (number.isMultiple(of: 2) ? 1 : -1) / (1 + Float(number))
}

/// The sum over `batchIndices` in the order of the tree, by its definition.
private func treeSum(_ count: Int, level: Int, node: Int, of value: (Int) -> Float) -> Float? {
  let batchIndices = (node * count) >> level..<((node + 1) * count) >> level
  if batchIndices.count <= 1 { return batchIndices.first.map(value) }
  let left = treeSum(count, level: level + 1, node: 2 * node, of: value)
  let right = treeSum(count, level: level + 1, node: 2 * node + 1, of: value)
  guard let left, let right else { return left ?? right }
  return left + right
}

/// Checks the sums of gradients against the definition of the tree, in all ways to make them.
func checkReducer(_ communicator: any Communicator) throws {
  for overlap in [Overlap.off, .poll, .thread] {
    for isSharded in [false, true] {
      try checkReducer(communicator, .tree, overlap, isSharded: isSharded)
    }
  }
  try checkReducer(communicator, .fast, .off, isSharded: false)
  try checkReducer(communicator, .fast, .thread, isSharded: false)
}

private func checkReducer(
  _ communicator: any Communicator, _ reduction: Reduction, _ overlap: Overlap, isSharded: Bool
) throws {
  // Eleven buckets, more than are in flight at once, and a ragged one; fewer of large chunks.
  let bucket = isSharded ? 3 * GradientReducer.shardAlignment : 160
  let elementCount = (isSharded ? 2 : 11) * bucket + 50
  let buckets = GradientBuckets(elementCount: elementCount, byteCount: 4 * bucket)
  let (rank, size) = (communicator.rank, communicator.size)
  let reducer = GradientReducer(
    communicator: communicator, buckets: buckets, reduction: reduction, overlap: overlap,
    isSharded: isSharded)
  // Fewer batch indices than ranks, as many, and more of all kinds.
  let counts = isSharded ? [3, 8] : [1, 2, 3, 4, 5, 8, 13, 24, 24, 1]
  for (step, count) in counts.enumerated() {
    let shards = (0..<size).map { $0 * count / size..<($0 + 1) * count / size }
    let nodes =
      reduction == .tree ? ReductionTree(count: count).cover(shards[rank]) : [shards[rank]]
    var sums = nodes.map { node in
      (0..<elementCount).map { index in
        reduction == .tree
          ? nodeSum(node, count) { addend($0, index, step: step) }
          : node.reduce(0) { $0 + addend($1, index, step: step) }
      }
    }
    if sums.isEmpty { sums = [[Float](repeating: 99, count: elementCount)] }
    let buffers = sums.map { sum in
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: elementCount)
      _ = buffer.initialize(from: sum)
      return buffer
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    let exact = (0..<elementCount).map { index in
      treeSum(count, level: 0, node: 0) { addend($0, index, step: step) } ?? 0
    }
    func check(_ range: Range<Int>, _ what: String) throws {
      for index in range {
        let found = buffers[0][index]
        let agrees =
          reduction == .tree
          ? found.bitPattern == exact[index].bitPattern : abs(found - exact[index]) < 1e-5
        try expect(
          agrees, equals: true,
          "\(what): \(reduction), \(overlap), \(count) batch indices, [\(index)]: \(found), \(exact[index])"
        )
      }
    }
    reducer.begin(buffers, shards: shards)
    if step > 0 {
      for tenth in [9, 7, 7, 4, 1, 0] { reducer.reduce(from: tenth * elementCount / 10) }
    }
    if step > 1 && reduction == .tree {
      // Values beside the buckets, then buckets one by one.
      let told = try reducer.gather([Double(rank), 0.1, -0.0])
      try expect(told.map { $0[0] }, equals: (0..<size).map { Double($0) }, "gathered ranks")
      try expect(told.allSatisfy { $0[1] == 0.1 && $0[2].sign == .minus }, equals: true, "values")
      for bucket in buckets.ranges.indices {
        try reducer.wait(forBucket: bucket)
        if !isSharded { try check(buckets.ranges[bucket], "bucket \(bucket)") }
      }
    }
    try reducer.finish()
    let own = reducer.owned(by: rank)
    for range in own { try check(range, "owned") }
    try expect(
      try reducer.gather([1]), equals: [[Double]](repeating: [1], count: size), "after the sums")
    if isSharded {
      reducer.beginGather(of: buffers[0])
      for bucket in buckets.ranges.indices { reducer.gather(throughBucket: bucket) }
      try reducer.finishGather()
      try check(0..<elementCount, "gathered")
    }
    try expect(
      reducer.seconds >= 0 && reducer.seconds < 30, equals: true, "seconds are plausible")
    if size == 1 { try expect(reducer.sentByteCount, equals: 0, "bytes sent alone") }
  }
}

/// The sum over a node of the tree over `count` batch indices, found by its batch indices.
private func nodeSum(_ node: Range<Int>, _ count: Int, of value: (Int) -> Float) -> Float {
  for level in 0..<20 {
    for index in 0..<(1 << level) where (index * count) >> level == node.lowerBound {
      guard ((index + 1) * count) >> level == node.upperBound else { continue }
      if let sum = treeSum(count, level: level, node: index, of: value) { return sum }
    }
  }
  return .nan
}

private func checkBudget(_ communicator: any Communicator) throws {
  let budget = try ThreadBudget.measure(for: communicator)
  try expect(budget.localRanks, equals: communicator.size, "ranks on the host")
  // Started with --bind-to none, all ranks share all cores.
  try expect(budget.boundCores, equals: budget.hostCores, "cores in use")
  try expect(budget.warning, equals: nil, "warning")
  if budget.processorLimit == nil {
    try expect(
      budget.threads, equals: max(1, budget.hostCores / communicator.size), "threads of a rank")
  }
}
