// A fixed team of threads, the only parallelism inside a rank.

import Glibc
import Synchronization

/// A fixed team of threads that share loops; the thread that calls works too.
///
/// Which thread does which item depends on timing, so a loop's body must give the same result for
/// an item whatever thread runs it, and no two items may write to the same place. Then the results
/// are the same bits for every number of threads.
public final class ThreadTeam: @unchecked Sendable {
  // Unchecked because `loop` is shared without a lock: it is written before `generation` is
  // released and read after it is acquired, and not written again before `busy` has returned to 0.

  /// Threads in the team, the calling one included.
  public let count: Int

  private var loop: (any Loop)?
  private let items = Atomic<Int>(0)
  private let next = Atomic<Int>(0)
  private let busy = Atomic<Int>(0)
  private let generation = Atomic<Int>(0)
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var workers: [pthread_t] = []
  private var ending = false

  /// Looks at the generation before a thread goes to sleep: some tens of microseconds, longer than
  /// the gap between two loops of a step and too short to matter to other processes.
  private static let spins = 4_000

  /// Starts `count` - 1 threads.
  ///
  /// - Precondition: `count` is positive.
  public init(count: Int) {
    precondition(count > 0, "a team of \(count) threads")
    self.count = count
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
    for index in 1..<max(count, 1) {
      let start = Unmanaged.passRetained(WorkerStart(team: self, thread: index))
      var thread = pthread_t()
      let status = pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue().run()
          return nil
        }, start.toOpaque())
      precondition(status == 0, "pthread_create failed with \(status)")
      workers.append(thread)
    }
  }

  deinit {
    pthread_mutex_lock(mutex)
    ending = true
    generation.add(1, ordering: .releasing)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
    for worker in workers { pthread_join(worker, nil) }
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(condition)
    mutex.deallocate()
    condition.deallocate()
  }

  /// Runs `body(context, item, thread)` for every item in 0..<count, and returns when all have run.
  ///
  /// `thread` is in 0..<team.count and names the scratch memory that the item may use. A body that
  /// captures nothing and takes all it needs from `context` costs no allocation; a closure with
  /// captures would be copied to the heap on its way to the other threads.
  public func forEach<Context>(
    _ count: Int, _ context: Context,
    _ body: @escaping (_ context: Context, _ item: Int, _ thread: Int) -> Void
  ) {
    if self.count == 1 || count <= 1 {
      for item in 0..<count { body(context, item, 0) }
      return
    }
    withUnsafePointer(to: context) { context in
      loop = BorrowedLoop(context: context, body: body)
      items.store(count, ordering: .relaxed)
      next.store(0, ordering: .relaxed)
      busy.store(self.count - 1, ordering: .relaxed)
      pthread_mutex_lock(mutex)
      generation.add(1, ordering: .releasing)
      pthread_cond_broadcast(condition)
      pthread_mutex_unlock(mutex)
      work(thread: 0)
      var looks = 0
      while busy.load(ordering: .acquiring) > 0 {
        looks += 1
        if looks > Self.spins { sched_yield() }
      }
      loop = nil
    }
  }

  private func work(thread: Int) {
    guard let loop else { return }
    let count = items.load(ordering: .relaxed)
    while true {
      let item = next.add(1, ordering: .relaxed).oldValue
      guard item < count else { return }
      loop.run(item: item, thread: thread)
    }
  }

  fileprivate func serve(thread: Int) {
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

/// What a new thread is told: its team and its number in it.
private final class WorkerStart {
  // Unowned: a thread that kept its team alive would never let it end.
  private unowned(unsafe) let team: ThreadTeam
  private let thread: Int

  init(team: ThreadTeam, thread: Int) {
    self.team = team
    self.thread = thread
  }

  func run() { team.serve(thread: thread) }
}
