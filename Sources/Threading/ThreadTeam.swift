// A fixed team of threads, the only parallelism inside a rank.

import Glibc
import Liveness
import Synchronization

/// A fixed team of threads that share loops; the thread that calls works too.
///
/// Which thread does which item depends on timing, so a loop's body must give the same result for
/// an item whatever thread runs it, and no two items may write to the same place. Then the results
/// are the same bits for every number of threads.
///
/// One thread at a time runs loops, and a body runs no loop of the same team.
package final class ThreadTeam: @unchecked Sendable {
  // Unchecked because of the threads' handles, which only `init` and `deinit` touch.

  /// Threads in the team, the calling one included.
  package let count: Int
  /// The threads that loops may be cut for where that moves no bits: those of the team, or of a model.
  package let parallelism: Int
  /// One line for the user where the system has granted fewer threads than were wanted.
  package let warning: String?

  private let recorder: LoopRecorder?
  private let state = TeamState()
  private let workers: [pthread_t]

  /// Starts `wanted` - 1 threads, or as many as the system grants.
  ///
  /// Fewer threads are slower and give the same results, so that is no error.
  ///
  /// - Precondition: `wanted` is positive.
  package init(count wanted: Int) {
    precondition(wanted > 0, "a team of \(wanted) threads")
    var workers: [pthread_t] = []
    var warning: String?
    for number in 1..<max(wanted, 1) {
      let start = Unmanaged.passRetained(WorkerStart(state: state, thread: number))
      var thread = pthread_t()
      let status = pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
          start.state.serve(thread: start.thread)
          return nil
        }, start.toOpaque())
      if status != 0 {
        start.release()
        warning =
          "the system grants \(number) of \(wanted) threads: \(String(cString: strerror(status)));"
          + " raise `ulimit -u` or `ulimit -v`, or ask for fewer --threads"
        break
      }
      workers.append(thread)
    }
    count = 1 + workers.count
    parallelism = count
    self.workers = workers
    self.warning = warning
    recorder = nil
  }

  /// A team of the calling thread alone, whose loops are recorded as `parallelism` threads would have them cut.
  package init(recording recorder: LoopRecorder, parallelism: Int = 1) {
    (count, workers, warning) = (1, [], nil)
    self.parallelism = parallelism
    self.recorder = recorder
  }

  /// Says which part of the work the next loops belong to, where they are recorded.
  package func begin(_ part: @autoclosure () -> String) { recorder?.part = part() }

  deinit {
    state.end()
    for worker in workers { pthread_join(worker, nil) }
  }

  /// Runs `body(context, item, thread)` for every item in 0..<count, and returns when all have run.
  ///
  /// `thread` is in 0..<team.count and names the workspace that the item may use. A body that
  /// captures nothing and takes all it needs from `context` costs no allocation; a closure with
  /// captures would be copied to the heap on its way to the other threads.
  package func forEach<Context>(
    _ count: Int, _ context: Context,
    _ body: @escaping (_ context: Context, _ item: Int, _ thread: Int) -> Void
  ) {
    if let recorder {
      return recorder.run(count) { item in
        body(context, item, 0)
        Progress.beat()
      }
    }
    if self.count == 1 || count <= 1 {
      for item in 0..<count {
        body(context, item, 0)
        Progress.beat()
      }
      return
    }
    withUnsafePointer(to: context) { context in
      state.run(BorrowedLoop(context: context, body: body), items: count)
    }
  }

  /// The values of a function of some items, each by one thread, in the order of the items.
  package func map<Item, Value>(_ items: [Item], _ body: (Item) -> Value) -> [Value] {
    var values = [Value?](repeating: nil, count: items.count)
    values.withUnsafeMutableBufferPointer { values in
      withoutActuallyEscaping(body) { body in
        forEach(items.count, (items, values, body)) { context, place, _ in
          context.1[place] = context.2(context.0[place])
        }
      }
    }
    return values.compactMap(\.self)
  }
}

/// The state that a team's threads share; they keep it alive, not the team itself.
///
/// A thread takes items as long as there are some, and says how many it has finished; a loop has ended when
/// that is said of all its items. So nobody waits for a thread that comes late, as where another process has its
/// core: it finds no item, and touches nothing.
private final class TeamState: @unchecked Sendable {
  // Unchecked because `loop` is shared without a lock: it is written before the items are offered, read only
  // by a thread that has got one of them, and not written again before all of them are finished.

  private var loop: (any Loop)?
  /// The items of the loop in the upper half, how many of them were given away in the lower one.
  ///
  /// They are in one word, so that no thread takes an item of one loop for one of another. The lower half
  /// passes the upper one by as many as there are threads at most.
  private let offer = Atomic<UInt64>(0)
  private let finished = Atomic<Int>(0)
  private let running = Atomic<Bool>(false)
  private let ending = Atomic<Bool>(false)
  /// Sleep of the threads that wait for items, and of the one that waits for the end of its loop.
  private let idle = Bed()
  private let caller = Bed()

  /// Looks at a counter before a thread goes to sleep: some tens of microseconds, longer than the
  /// gap between two loops of a step and too short to matter to other processes.
  private static let spins = 4_000

  /// Whether items are left to take.
  private var hasItems: Bool {
    let offer = offer.load(ordering: .sequentiallyConsistent)
    return offer & 0xFFFF_FFFF < offer >> 32
  }

  /// Takes an item; nil where none is left.
  private func take() -> Int? {
    guard hasItems else { return nil }
    let before = offer.add(1, ordering: .acquiring).oldValue
    let item = before & 0xFFFF_FFFF
    return item < before >> 32 ? Int(item) : nil
  }

  /// Runs a loop on all threads, the calling one as number 0.
  func run(_ loop: any Loop, items count: Int) {
    guard !running.exchange(true, ordering: .acquiring) else {
      fatalError("a loop of a thread team was begun inside another one")
    }
    precondition(count < 1 << 32, "a loop of \(count) items")
    self.loop = loop
    finished.store(0, ordering: .relaxed)
    offer.store(UInt64(count) << 32, ordering: .sequentiallyConsistent)
    idle.wake()
    work(thread: 0)
    Self.wait(in: caller) { self.finished.load(ordering: .sequentiallyConsistent) == count }
    self.loop = nil
    running.store(false, ordering: .releasing)
  }

  /// Lets all threads return from `serve`.
  func end() {
    ending.store(true, ordering: .sequentiallyConsistent)
    idle.wake()
  }

  /// A worker's life: wait for a loop, work, until the end.
  func serve(thread: Int) {
    while true {
      Self.wait(in: idle) {
        self.hasItems || self.ending.load(ordering: .sequentiallyConsistent)
      }
      if ending.load(ordering: .relaxed) { return }
      work(thread: thread)
    }
  }

  /// Runs items until none is left.
  private func work(thread: Int) {
    guard var item = take(), let loop else { return }
    var count = 0
    while true {
      loop.run(item: item, thread: thread)
      count += 1
      // One thread tells for all, so that they do not write to one place.
      if thread == 0 { Progress.beat() }
      guard let next = take() else { break }
      item = next
    }
    finished.add(count, ordering: .sequentiallyConsistent)
    if thread != 0 { caller.wake() }
  }

  /// Waits until `isTrue`: looks for a while, then sleeps, so that its core is another's, as that of a thread
  /// which has an item and no core.
  private static func wait(in bed: Bed, until isTrue: () -> Bool) {
    for _ in 0..<spins where isTrue() { return }
    bed.sleep(until: isTrue)
  }
}

/// Where threads sleep until something is true.
private final class Bed: @unchecked Sendable {
  // Unchecked because of the mutex and the condition, which are made to be shared.

  private let sleepers = Atomic<Int>(0)
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(condition)
    mutex.deallocate()
    condition.deallocate()
  }

  /// Sleeps until `isTrue`, which is looked at again after each ``wake()``.
  ///
  /// One counts itself before it looks and the other looks for sleepers after it has changed what is looked at,
  /// both in one order for all threads, so that one of them sees the other.
  func sleep(until isTrue: () -> Bool) {
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while !isTrue() { pthread_cond_wait(condition, mutex) }
    sleepers.subtract(1, ordering: .relaxed)
    pthread_mutex_unlock(mutex)
  }

  /// Wakes all that sleep here; costs a look where nobody does.
  func wake() {
    guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }
}

/// The loop that a team runs, whatever its context's type.
private protocol Loop {
  func run(item: Int, thread: Int)
}

/// A loop whose context stays where the caller has it; three words, so that `any Loop` holds it in
/// place.
private struct BorrowedLoop<Context>: Loop {
  let context: UnsafePointer<Context>
  let body: (Context, Int, Int) -> Void

  func run(item: Int, thread: Int) { body(context.pointee, item, thread) }
}

/// The argument of a new thread: the shared state and its number.
private final class WorkerStart {
  let state: TeamState
  let thread: Int

  init(state: TeamState, thread: Int) {
    self.state = state
    self.thread = thread
  }
}
