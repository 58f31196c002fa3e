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
  /// One line for the user where the system has granted fewer threads than were wanted.
  package let warning: String?

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
    self.workers = workers
    self.warning = warning
    state.workers = workers.count
  }

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
}

/// The state that a team's threads share; they keep it alive, not the team itself.
private final class TeamState: @unchecked Sendable {
  // Unchecked because `loop` and `ending` are shared without a lock: they are written before
  // `generation` is released and read after it is acquired, and not written again before `busy` has
  // returned to 0.

  /// Threads beside the calling one; set before the first loop.
  var workers = 0
  private var loop: (any Loop)?
  private var ending = false
  private let items = Atomic<Int>(0)
  private let next = Atomic<Int>(0)
  private let busy = Atomic<Int>(0)
  private let generation = Atomic<Int>(0)
  private let running = Atomic<Bool>(false)
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  /// Looks at a counter before a thread goes to sleep: some tens of microseconds, longer than the
  /// gap between two loops of a step and too short to matter to other processes.
  private static let spins = 4_000

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

  /// Runs a loop on all threads, the calling one as number 0.
  func run(_ loop: any Loop, items count: Int) {
    guard !running.exchange(true, ordering: .acquiring) else {
      fatalError("a loop of a thread team was begun inside another one")
    }
    self.loop = loop
    items.store(count, ordering: .relaxed)
    next.store(0, ordering: .relaxed)
    busy.store(workers, ordering: .relaxed)
    wakeAll()
    work(thread: 0)
    var looks = 0
    while busy.load(ordering: .acquiring) > 0 {
      looks += 1
      if looks > Self.spins { sched_yield() }
    }
    self.loop = nil
    running.store(false, ordering: .releasing)
  }

  /// Lets all threads return from `serve`.
  func end() {
    ending = true
    wakeAll()
  }

  private func wakeAll() {
    pthread_mutex_lock(mutex)
    generation.add(1, ordering: .releasing)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  private func work(thread: Int) {
    guard let loop else { return }
    let count = items.load(ordering: .relaxed)
    while true {
      let item = next.add(1, ordering: .relaxed).oldValue
      guard item < count else { return }
      loop.run(item: item, thread: thread)
      // One thread tells for all, so that they do not write to one place.
      if thread == 0 { Progress.beat() }
    }
  }

  /// A worker's life: wait for a loop, work, until the end.
  func serve(thread: Int) {
    var seen = 0
    while true {
      var looks = 0
      while generation.load(ordering: .acquiring) == seen && looks < Self.spins { looks += 1 }
      if generation.load(ordering: .acquiring) == seen {
        pthread_mutex_lock(mutex)
        while generation.load(ordering: .acquiring) == seen {
          pthread_cond_wait(condition, mutex)
        }
        pthread_mutex_unlock(mutex)
      }
      seen += 1
      if ending { return }
      work(thread: thread)
      busy.subtract(1, ordering: .releasing)
    }
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
